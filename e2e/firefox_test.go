//go:build browser

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// firefoxPrefs make a profile that asks for nothing but what pages ask for. The
// remote agent adds those that Mozilla recommends for tests.
func firefoxPrefs(h habits) map[string]any {
	const nowhere = "data:,"
	return map[string]any{
		"app.normandy.enabled":                              false,
		"app.update.auto":                                   false,
		"app.update.disabledForTesting":                     true,
		"browser.newtabpage.enabled":                        false,
		"browser.region.network.url":                        "",
		"browser.region.update.enabled":                     false,
		"browser.safebrowsing.blockedURIs.enabled":          false,
		"browser.safebrowsing.downloads.enabled":            false,
		"browser.safebrowsing.malware.enabled":              false,
		"browser.safebrowsing.phishing.enabled":             false,
		"browser.safebrowsing.update.enabled":               false,
		"browser.search.update":                             false,
		"browser.shell.checkDefaultBrowser":                 false,
		"browser.startup.homepage_override.mstone":          "ignore",
		"browser.startup.page":                              0,
		"browser.tabs.warnOnClose":                          false,
		"datareporting.healthreport.uploadEnabled":          false,
		"datareporting.policy.dataSubmissionEnabled":        false,
		"dom.push.connection.enabled":                       false,
		"dom.security.https_first":                          false, // the site of the test says itself what it is
		"dom.security.https_first_schemeless":               false,
		"extensions.getAddons.cache.enabled":                false,
		"extensions.systemAddon.update.enabled":             false,
		"extensions.update.enabled":                         false,
		"media.gmp-manager.updateEnabled":                   false,
		"media.gmp-manager.url":                             nowhere,
		"media.peerconnection.ice.obfuscate_host_addresses": !h.tellsAddresses,
		"messaging-system.rsexperimentloader.enabled":       false,
		"network.captive-portal-service.enabled":            false,
		"network.manage-offline-status":                     true, // as everybody has it; the remote agent would forget about cables
		"network.offline-mirrors-connectivity":              true,
		"network.connectivity-service.enabled":              false,
		"network.dns.disablePrefetch":                       true,
		"network.http.speculative-parallel-limit":           0,
		"network.prefetch-next":                             false,
		"network.trr.mode":                                  5, // no DNS over HTTPS, by choice
		"nimbus.rollouts.enabled":                           false,
		"security.OCSP.enabled":                             0,
		"security.remote_settings.crlite_filters.enabled":   false,
		"security.remote_settings.intermediates.enabled":    false,
		"services.settings.server":                          nowhere + "#remote-settings-dummy/v1",
		"toolkit.telemetry.enabled":                         false,
		"toolkit.telemetry.server":                          nowhere,
		"toolkit.telemetry.unified":                         false,
	}
}

// firefoxBrowser is a browser process and the session that drives it.
type firefoxBrowser struct{ session *bidi }

// launchFirefox starts a browser that is driven through a port of its own
// machine.
func launchFirefox(t *testing.T, on machine, h habits) firefoxBrowser {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	need(t, missing(err, "Firefox ESR", "firefox-esr"))
	profile := firefoxProfile(t, h)
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(life, path, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile, "about:blank")
	move(cmd, on)
	cmd.Env = append(os.Environ(), "HOME="+home(t, habits{}),
		"MOZ_CRASHREPORTER_DISABLE=1",    // its helper would outlive us
		"MOZ_REMOTE_SETTINGS_DEVTOOLS=1") // else services.settings.server is not heeded
	output, printed := io.Pipe()
	cmd.Stdout, cmd.Stderr = printed, printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // it is killed
		_ = printed.Close()
	}()
	t.Cleanup(func() {
		stop()
		<-exited
	})
	session := dialBiDi(t, on, listensAt(t, output)+"/session")
	starting, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, step := range []struct {
		method string
		params object
	}{
		{"session.new", object{"capabilities": object{}}},
		{"session.subscribe", object{"events": []string{"log.entryAdded"}}},
		{"script.addPreloadScript", object{"functionDeclaration": "() => {" + witnessJS + "}"}},
	} {
		if err := session.command(starting, step.method, step.params, nil); err != nil {
			t.Fatal(err)
		}
	}
	return firefoxBrowser{session}
}

// firefoxProfile makes a profile.
func firefoxProfile(t *testing.T, h habits) string {
	t.Helper()
	dir := t.TempDir()
	if h.trusts != "" {
		trust(t, h.trusts, dir)
	}
	var prefs strings.Builder
	all := firefoxPrefs(h)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value, err := json.Marshal(all[name])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&prefs, "user_pref(%q, %s);\n", name, value)
	}
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(prefs.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listensAt waits until Firefox says where it listens, and goes on reading what
// it prints.
func listensAt(t *testing.T, output io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	go func() { // ends with the browser
		defer close(found)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			if _, url, ok := strings.Cut(scanner.Text(), "WebDriver BiDi listening on "); ok {
				found <- url
			}
		}
		_, _ = io.Copy(io.Discard, output) // a line that is too long ends the scanner
	}()
	const patience = 2 * patience // a busy machine takes 7 seconds for what is a half otherwise
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case url, ok := <-found:
		if !ok {
			t.Fatal("Firefox ended at once")
		}
		return url
	case <-late.C:
		t.Fatalf("Firefox does not listen after %v", patience)
	}
	return ""
}

// open opens a window: a tab that is not seen draws nothing.
func (b firefoxBrowser) open(t *testing.T) driver {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var made struct{ Context string }
	if err := b.session.command(ctx, "browsingContext.create", object{"type": "window"}, &made); err != nil {
		t.Fatal(err)
	}
	return &firefoxDriver{b.session, made.Context}
}

// firefoxDriver is a page, driven by WebDriver BiDi.
type firefoxDriver struct {
	session *bidi
	context string // the browsing context
}

// command sends a command that is about this page.
func (d *firefoxDriver) command(ctx context.Context, method string, params object, result any) error {
	params["context"] = d.context
	return d.session.command(ctx, method, params, result)
}

func (d *firefoxDriver) console() string {
	d.session.mu.Lock()
	defer d.session.mu.Unlock()
	return strings.Join(d.session.log[d.context], "\n")
}

func (d *firefoxDriver) visit(ctx context.Context, url string) error {
	return d.command(ctx, "browsingContext.navigate", object{"url": url, "wait": "complete"}, nil)
}

func (d *firefoxDriver) close(ctx context.Context) error {
	return d.command(ctx, "browsingContext.close", object{}, nil)
}

// click moves the mouse to the middle of an element and clicks.
func (d *firefoxDriver) click(ctx context.Context, id string) error {
	node, err := d.script(ctx, fmt.Sprintf(`(() => { const e = document.getElementById(%q); e.scrollIntoView({block: "nearest"}); return e; })()`, id))
	if err != nil {
		return err
	}
	element := object{"type": "element", "element": object{"sharedId": node.SharedID}}
	return d.command(ctx, "input.performActions", object{"actions": []object{{"type": "pointer", "id": "mouse", "actions": []object{
		{"type": "pointerMove", "x": 0, "y": 0, "origin": element},
		{"type": "pointerDown", "button": 0},
		{"type": "pointerUp", "button": 0},
	}}}}, nil)
}

// write presses a key for each character.
func (d *firefoxDriver) write(ctx context.Context, id, text string) error {
	if _, err := d.script(ctx, fmt.Sprintf("document.getElementById(%q).focus()", id)); err != nil {
		return err
	}
	return d.keys(ctx, text)
}

// keys translates those that WebDriver has code points of its own for
// (https://www.w3.org/TR/webdriver2/#keyboard-actions).
func (d *firefoxDriver) keys(ctx context.Context, keys string) error {
	const shift = "\ue008"
	special := map[string]string{tabKey: "\ue004", enterKey: "\ue007", escapeKey: "\ue00c", backKey: "\ue004"}
	var actions []object
	for _, r := range keys {
		key := string(r)
		if code, ok := special[key]; ok {
			key = code
		}
		actions = append(actions, object{"type": "keyDown", "value": key}, object{"type": "keyUp", "value": key})
	}
	if keys == backKey {
		actions = slices.Concat([]object{{"type": "keyDown", "value": shift}}, actions, []object{{"type": "keyUp", "value": shift}})
	}
	return d.command(ctx, "input.performActions", object{"actions": []object{{"type": "key", "id": "keyboard", "actions": actions}}}, nil)
}

func (d *firefoxDriver) evaluate(ctx context.Context, script string) (string, error) {
	value, err := d.script(ctx, script)
	return value.Value, err
}

// remoteValue is what a script came to: a string or a node.
type remoteValue struct {
	Type     string `json:"type"`
	Value    string `json:"-"`
	SharedID string `json:"sharedId"`
}

// script runs JavaScript and waits for its promise.
func (d *firefoxDriver) script(ctx context.Context, script string) (remoteValue, error) {
	var answer struct {
		Type             string // success or exception
		Result           json.RawMessage
		ExceptionDetails struct{ Text string }
	}
	err := d.session.command(ctx, "script.evaluate", object{
		"expression": script, "target": object{"context": d.context}, "awaitPromise": true,
	}, &answer)
	if err != nil {
		return remoteValue{}, err
	}
	if answer.Type != "success" {
		return remoteValue{}, errors.New(answer.ExceptionDetails.Text)
	}
	var value remoteValue
	if err := json.Unmarshal(answer.Result, &value); err != nil {
		return remoteValue{}, err
	}
	if value.Type == "string" {
		var text struct{ Value string }
		err = json.Unmarshal(answer.Result, &text)
		value.Value = text.Value
	}
	return value, err
}

// picture cannot be taken by night: nothing in BiDi sets prefers-color-scheme.
func (d *firefoxDriver) picture(ctx context.Context, look look) ([]byte, error) {
	if look.dark {
		return nil, errors.ErrUnsupported
	}
	width, height, isPhone := look.screen.size()
	viewport := object{"viewport": object{"width": width, "height": height}, "devicePixelRatio": 1}
	if isPhone {
		viewport["devicePixelRatio"] = phoneScale
	}
	if err := d.command(ctx, "browsingContext.setViewport", viewport, nil); err != nil {
		return nil, err
	}
	if _, err := d.evaluate(ctx, settled); err != nil {
		return nil, err
	}
	var shot struct{ Data []byte } // base64
	err := d.command(ctx, "browsingContext.captureScreenshot", object{}, &shot)
	return shot.Data, errors.Join(err, d.command(ctx, "browsingContext.setViewport", object{"viewport": nil, "devicePixelRatio": nil}, nil))
}
