//go:build browser

package e2e

import (
	"strings"
	"testing"
)

// TestWithoutTheServer visits the page a second time, when nobody answers any
// more: it comes up all the same, and says the truth when one presses START.
func TestWithoutTheServer(t *testing.T) {
	for _, brand := range []brand{chromium, firefox} {
		t.Run(string(brand), func(t *testing.T) {
			t.Parallel()
			server, url := newLocalServer(t)
			page := openTab(t, brand.launch(t, &thisComputer{}, habits{}), string(brand), url)
			evaluate[any](page, "navigator.serviceWorker.ready.then(() => true)")
			server.stop()

			page.visit(url)
			page.start()
			page.becomes("error")
			if text := evaluate[string](page, `document.getElementById("fault").textContent`); strings.TrimSpace(text) == "" {
				t.Error("the page does not say why nothing happens")
			} else {
				t.Logf("it says %q", text)
			}
			page.wait(`document.getElementById("start").disabled === false`)
		})
	}
}
