//go:build browser

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestComposer writes messages as people do: with lines, in Japanese, by
// pasting too much, and into the middle of what is there.
func TestComposer(t *testing.T) {
	url, _ := serveHere(t)
	browser := chromium.launch(t, &thisComputer{}, habits{})
	a := openTab(t, browser, "A", url)
	b := openTab(t, browser, "B", url)
	a.start()
	b.start()
	a.becomes(chatting)
	b.becomes(chatting)
	tests := []struct {
		name  string
		text  string
		key   string // a KeyboardEventInit
		sends bool
	}{
		{"Enter sends", "hello", `key: "Enter"`, true},
		{"Shift and Enter is a line break", "two", `key: "Enter", shiftKey: true`, false},
		{"Enter that ends a composition", "京都", `key: "Enter", isComposing: true`, false},
		{"Enter that has just ended one, in Safari", "京都", `key: "Enter", keyCode: 229`, false},
		{"Enter that is held", "again", `key: "Enter", repeat: true`, false},
		{"Enter after it", "京都", `key: "Enter"`, true},
	}
	var said []string
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a.fill(tt.text, len(tt.text))
			a.key(tt.key)
			if tt.sends {
				said = append(said, tt.text)
				b.hears(said...)
			}
			want := map[bool]string{true: "", false: tt.text}[tt.sends]
			if got := a.written(); got != want {
				t.Errorf("the field holds %q, want %q", got, want)
			}
		})
	}
	if got := a.messages(me); strings.Join(got, "|") != strings.Join(said, "|") {
		t.Errorf("A has said %q, want %q", got, said)
	}

	t.Run("a megabyte is cut to what a message may have", func(t *testing.T) {
		a.fill(strings.Repeat("京", 1<<20/3), 1<<20)
		if got := len(a.written()); got != wire.MaxTextBytes-wire.MaxTextBytes%3 {
			t.Errorf("the field holds %d bytes, want as many as fit in %d", got, wire.MaxTextBytes)
		}
		a.wait(`document.getElementById("room").textContent === "0 left"`)
	})
	t.Run("who pastes in the middle keeps the end", func(t *testing.T) {
		long := strings.Repeat("x", wire.MaxTextBytes)
		a.fill("begin "+long+" end", len("begin ")+len(long))
		got := a.written()
		if len(got) != wire.MaxTextBytes || !strings.HasPrefix(got, "begin x") || !strings.HasSuffix(got, "x end") {
			t.Errorf("the field holds %d bytes: %.10s…%s", len(got), got, got[max(0, len(got)-10):])
		}
	})
	t.Run("a composition is not cut before it ends", func(t *testing.T) {
		long := strings.Repeat("京", wire.MaxTextBytes/2)
		evaluate[bool](a, fmt.Sprintf(`(() => {
			const field = document.getElementById("message");
			field.value = %q;
			field.dispatchEvent(new InputEvent("input", { isComposing: true, bubbles: true }));
			return true;
		})()`, long))
		if got := a.written(); got != long {
			t.Errorf("while it lasts, the field holds %d bytes, want %d", len(got), len(long))
		}
		evaluate[bool](a, `document.getElementById("message").dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }))`)
		if got := a.written(); len(got) > wire.MaxTextBytes {
			t.Errorf("after it, the field holds %d bytes", len(got))
		}
	})
}

// fill puts a text into the message field, past its maxlength as a script can,
// with the cursor behind so many characters.
func (tab *tab) fill(text string, cursor int) {
	tab.t.Helper()
	evaluate[bool](tab, fmt.Sprintf(`(() => {
		const field = document.getElementById("message");
		field.value = %q;
		field.setSelectionRange(%d, %[2]d);
		return field.dispatchEvent(new InputEvent("input", { bubbles: true }));
	})()`, text, cursor))
}

// key has a key pressed in the message field.
func (tab *tab) key(init string) {
	tab.t.Helper()
	evaluate[bool](tab, fmt.Sprintf(`document.getElementById("message")
		.dispatchEvent(new KeyboardEvent("keydown", { %s, bubbles: true, cancelable: true }))`, init))
}

// written is what the message field holds.
func (tab *tab) written() string {
	tab.t.Helper()
	return evaluate[string](tab, `document.getElementById("message").value`)
}
