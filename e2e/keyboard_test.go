//go:build browser

package e2e

import (
	"context"
	"fmt"
	"testing"
)

// mostTabs is how often Tab is pressed at most to get somewhere: the page has
// fewer things to stop at.
const mostTabs = 30

// TestKeyboardAlone plays the whole story without a mouse, and without a script
// that helps: all that moves the focus is a key or the page itself.
func TestKeyboardAlone(t *testing.T) {
	for _, brand := range []brand{chromium, firefox} {
		t.Run(string(brand), func(t *testing.T) {
			t.Parallel()
			_, url := newLocalServer(t)
			page := openTab(t, brand.launch(t, &thisComputer{}, habits{}), string(brand), url)
			page.sets()

			page.tabsTo("start")
			page.presses(enterKey)
			page.becomes(waiting)
			page.tabsTo("stop")
			page.presses(enterKey)
			page.becomes(idle)
			page.focuses("start")
			page.presses(spaceKey)
			page.becomes(waiting)

			// Who likes the same need not wait for each other.
			first := openTerminal(t, &thisComputer{}, "--tag", "satie", url)
			page.becomes(chatting)
			page.focuses("message")
			page.presses("hello" + enterKey)
			first.prints("hello")
			page.focuses("message")
			page.complains()

			page.presses(escapeKey) // NEXT
			first.prints("left")
			page.becomes(waiting)
			second := openTerminal(t, &thisComputer{}, "--tag", "satie", url)
			page.becomes(chatting)
			page.focuses("message")
			second.leaves()
			page.becomes(left)
			page.focuses("next")
			page.presses(enterKey)
			page.becomes(waiting)
			page.tabsTo("stop")
			page.presses(enterKey)
			page.becomes(idle)
			page.focuses("start")
		})
	}
}

// sets goes through what can be chosen before START.
func (tab *tab) sets() {
	tab.t.Helper()
	tab.tabsTo("language")
	tab.presses("f") // a menu goes to what begins with it
	tab.wait(`document.documentElement.lang === "fr"`)
	tab.focuses("language")
	tab.tabsTo("interest")
	tab.presses("satie" + enterKey)
	tab.wait(`document.getElementById("tags").textContent.includes("satie")`)
	tab.focuses("interest")
	tab.tabsTo("understood")
	tab.presses(enterKey)
	tab.wait(`document.getElementById("understood").checkVisibility() === false`)
	tab.wait(`document.activeElement !== document.body`) // what had the focus is gone: it must not be nowhere
	tab.backTo("hide-ip")
	for _, checked := range []bool{true, false} {
		tab.presses(spaceKey)
		tab.wait(fmt.Sprintf(`document.getElementById("hide-ip").checked === %t`, checked))
	}
}

// complains opens the report, leaves it with Esc, which must not go on to the
// next partner, and then sends it.
func (tab *tab) complains() {
	tab.t.Helper()
	const open = `document.getElementById("complaint").open`
	tab.backTo("report")
	tab.presses(enterKey)
	tab.wait(open + ` && document.getElementById("complaint").contains(document.activeElement)`)
	tab.presses(escapeKey)
	tab.wait("!" + open)
	tab.becomes(chatting)
	tab.focuses("report")

	tab.presses(enterKey)
	tab.wait(open)
	tab.steps(tabKey, `document.activeElement.name === "reason"`, "a reason")
	tab.presses(spaceKey)
	tab.wait(`document.querySelector("input[name=reason]:checked") !== null`)
	tab.steps(tabKey, `document.activeElement.type === "submit" && document.activeElement.closest("#complaint") !== null`, "the button that sends it")
	tab.presses(enterKey)
	tab.wait("!" + open)
	tab.wait(`document.activeElement !== document.body`)
	tab.becomes(chatting)
}

// presses presses keys, wherever the focus is.
func (tab *tab) presses(keys string) {
	tab.t.Helper()
	tab.do(fmt.Sprintf("press %q", keys), func(ctx context.Context) error { return tab.driver.keys(ctx, keys) })
}

// focuses waits until an element has the focus.
func (tab *tab) focuses(id string) {
	tab.t.Helper()
	// The focus moves without a mutation that could be observed.
	evaluate[any](tab, fmt.Sprintf(`new Promise((resolve) => {
		const look = () => document.activeElement?.id === %q ? resolve() : setTimeout(look, 20);
		look();
	})`, id))
}

// tabsTo presses Tab until an element has the focus, and wants that to be seen.
func (tab *tab) tabsTo(id string) {
	tab.t.Helper()
	tab.steps(tabKey, fmt.Sprintf("document.activeElement.id === %q", id), id)
}

// backTo is tabsTo the other way round.
func (tab *tab) backTo(id string) {
	tab.t.Helper()
	tab.steps(backKey, fmt.Sprintf("document.activeElement.id === %q", id), id)
}

// steps presses a key until a condition holds.
func (tab *tab) steps(key, condition, what string) {
	tab.t.Helper()
	for range mostTabs {
		if evaluate[bool](tab, condition) {
			if !evaluate[bool](tab, `document.activeElement.matches(":focus-visible")`) {
				tab.t.Errorf("%s: one does not see that %s has the focus", tab.name, what)
			}
			return
		}
		tab.presses(key)
	}
	tab.t.Fatalf("%s: %d times Tab do not lead to %s", tab.name, mostTabs, what)
}
