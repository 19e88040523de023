package peer

import (
	"syscall/js"
	"testing"
)

// TestNetworkChanges holds which events of a browser count as a change of the
// network, and that none is listened to any more after stop.
func TestNetworkChanges(t *testing.T) {
	restore := js.Global().Call("eval", `
		const was = ["addEventListener", "removeEventListener", "document", "navigator"].map(k => [k, Object.getOwnPropertyDescriptor(globalThis, k)]);
		const page = new EventTarget(), define = (k, value) => Object.defineProperty(globalThis, k, {value, configurable: true});
		define("addEventListener", page.addEventListener.bind(page));
		define("removeEventListener", page.removeEventListener.bind(page));
		define("document", Object.assign(new EventTarget(), {visibilityState: "visible"}));
		define("navigator", {connection: Object.assign(new EventTarget(), {type: "wifi"})});
		globalThis.emit = (target, name, more) => (target || page).dispatchEvent(Object.assign(new Event(name), more));
		() => was.forEach(([k, d]) => d ? Object.defineProperty(globalThis, k, d) : delete globalThis[k])`)
	defer restore.Invoke()
	run := func(script string) { js.Global().Call("eval", script) }

	moved, awoke := make(chan struct{}, 1), make(chan struct{}, 1)
	stop := watchNetwork(moved, awoke)
	for _, c := range []struct {
		name, script string
		moved        bool
	}{
		{"back online", `emit(null, "online")`, true},
		{"from wifi to a phone network", `navigator.connection.type = "cellular"; emit(navigator.connection, "change")`, true},
		{"another guess of the speed", `emit(navigator.connection, "change")`, false},
		{"shown for the first time", `emit(null, "pageshow", {persisted: false})`, false},
		{"out of the cache of pages", `emit(null, "pageshow", {persisted: true})`, true},
		{"thawed", `emit(document, "resume")`, true},
		{"hidden for a moment", `document.visibilityState = "hidden"; emit(document, "visibilitychange");
			document.visibilityState = "visible"; emit(document, "visibilitychange")`, false},
	} {
		run(c.script)
		select {
		case <-moved:
			if !c.moved {
				t.Errorf("%s: counts as a change", c.name)
			}
		case <-awoke:
			t.Errorf("%s: counts as an awakening", c.name)
		default:
			if c.moved {
				t.Errorf("%s: is no change", c.name)
			}
		}
	}
	stop()
	run(`emit(null, "online")`) // would panic
	if len(moved) != 0 {
		t.Error("told of a change after stop")
	}
}
