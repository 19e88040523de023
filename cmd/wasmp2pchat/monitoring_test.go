//go:build monitoring

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// needs skips a test that a program is missing for; where CI runs none may be.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		_, err := exec.LookPath(program)
		switch {
		case err == nil:
		case slices.Contains(os.Environ(), "CI=true"):
			t.Fatalf("%v: install it (Debian: apt-get install prometheus)", err)
		default:
			t.Skip(err)
		}
	}
}

// TestAlerts has promtool read the files of configs, and try each alert on a
// server for which it is meant and on one for which it is not.
func TestAlerts(t *testing.T) {
	needs(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "../../configs/alerts.yml"},
		{"check", "config", "../../configs/prometheus.yml"},
		{"test", "rules", "testdata/alerts_test.yml"},
	} {
		if said, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, said)
		}
	}
	rules, err := os.ReadFile("../../configs/alerts.yml")
	must(t, err)
	tried, err := os.ReadFile("testdata/alerts_test.yml")
	must(t, err)
	for _, name := range alertNames(string(rules)) {
		if !strings.Contains(string(tried), "alertname: "+name+"\n") {
			t.Errorf("alert %s is not tried", name)
		}
	}
}

// TestDashboardIsGrafanas has the TypeScript compiler hold the dashboard to the
// types that Grafana generates from its schemas: no field is missing, wrong, or
// unknown there.
func TestDashboardIsGrafanas(t *testing.T) {
	needs(t, "node")
	modules := flag.Lookup("grafana").Value.String()
	switch {
	case modules != "":
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal("-grafana is not set")
	default:
		t.Skip("-grafana is not set: make monitoring")
	}
	types, err := os.ReadFile("testdata/dashboard.ts")
	must(t, err)
	board, err := os.ReadFile(dashboardFile)
	must(t, err)
	file := filepath.Join(t.TempDir(), "dashboard.ts")
	compile := func(board []byte) (said []byte, err error) {
		text := strings.ReplaceAll(string(types), "@grafana/schema", filepath.Join(modules, "@grafana/schema"))
		must(t, os.WriteFile(file, []byte(text+"export default "+strings.TrimSpace(string(board))+" satisfies ImportedDashboard;\n"), 0o600))
		return exec.CommandContext(t.Context(), "node", filepath.Join(modules, "typescript/lib/tsc.js"), "--noEmit", "--strict", "--skipLibCheck",
			"--moduleResolution", "bundler", "--module", "esnext", "--target", "es2022", file).CombinedOutput()
	}
	if said, err := compile(board); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := compile(bytes.Replace(board, []byte(`"gridPos"`), []byte(`"gridPosition"`), 1)); err == nil || !bytes.Contains(said, []byte("gridPosition")) {
		t.Errorf("a dashboard with a field that there is not: %v, %s", err, said)
	}
}

// TestPrometheusAnswers has a Prometheus with our files look at a server under
// load, until each query of the dashboard has an answer, and each alert was
// computed.
func TestPrometheusAnswers(t *testing.T) {
	needs(t, "prometheus")
	s := openEverything(t, "WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0")
	p := startPrometheus(t, strings.TrimPrefix(s.admin, "http://"))
	crowd(t, s)

	for _, panel := range importDashboard(t) {
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$instance", ".*", "$__rate_interval", "10s").Replace(target.Expr)
			until(t, fmt.Sprintf("panel %q shows %s", panel.Title, expr), func() bool { return p.query(expr) })
		}
	}
	until(t, "each alert was computed", func() bool { return p.alertsAreComputed() })
	if !p.query(`wasmp2pchat_match_pairs_total > 0`) {
		t.Error("nobody was matched: this was no load")
	}
	if p.query(`ALERTS{alertstate="firing"}`) {
		t.Error("an alert fires for a server that is well")
	}
}

// crowd keeps a crowd coming until the test ends.
func crowd(t *testing.T, s *server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, world{args: []string{"loadtest", "--insecure", "--scenario", "session", "--peers", "20000", "--at-once", "20", s.url}, stdout: io.Discard, stderr: io.Discard})
	}()
	t.Cleanup(func() {
		select {
		case err := <-ended:
			t.Errorf("the load ended before the test: %v", err)
		default:
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the load ended with %v", err)
			}
		}
	})
}

// prober asks a Prometheus that runs.
type prober struct {
	t   *testing.T
	url string
}

// startPrometheus runs it with our files, but in a hurry, until the test ends.
func startPrometheus(t *testing.T, target string) *prober {
	t.Helper()
	text, err := os.ReadFile("../../configs/prometheus.yml")
	must(t, err)
	rules, err := filepath.Abs("../../configs/alerts.yml")
	must(t, err)
	for ours, here := range map[string]string{"127.0.0.1:9090\"": target + "\"", ": 15s": ": 1s", "alerts.yml": rules} {
		if !bytes.Contains(text, []byte(ours)) {
			t.Fatalf("configs/prometheus.yml has no %q", ours)
		}
		text = bytes.ReplaceAll(text, []byte(ours), []byte(here))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	must(t, os.WriteFile(file, text, 0o600))
	p := &prober{t: t, url: "http://127.0.0.1:" + strconv.Itoa(freePort(t))}

	said := new(bytes.Buffer)
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+strings.TrimPrefix(p.url, "http://"), "--log.level=warn")
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			t.Logf("prometheus said %s", said)
		}
	})
	until(t, "prometheus is ready", func() bool { status, err := p.get("/-/ready", nil); return err == nil && status == 200 })
	return p
}

// get asks for JSON, or for a status only; it may come too early.
func (p *prober) get(path string, into any) (status int, err error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if into != nil {
		err = json.NewDecoder(resp.Body).Decode(into)
	}
	return resp.StatusCode, err
}

// query tells whether there is an answer with a number. A query that cannot be
// read fails the test.
func (p *prober) query(expr string) bool {
	p.t.Helper()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any }
		}
	}
	if _, err := p.get("/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("%s: %v %s", expr, err, answer.Error)
	}
	return slices.ContainsFunc(answer.Data.Result, func(r struct{ Value [2]any }) bool { return r.Value[1] != "NaN" })
}

// alertsAreComputed tells whether all have been, once. One that fails fails the
// test.
func (p *prober) alertsAreComputed() bool {
	p.t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if _, err := p.get("/api/v1/rules", &answer); err != nil {
		p.t.Fatal(err)
	}
	computed := 0
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			if rule.LastError != "" {
				p.t.Fatalf("alert %s: %s", rule.Name, rule.LastError)
			}
			if rule.Health == "ok" {
				computed++
			}
		}
	}
	rules, err := os.ReadFile("../../configs/alerts.yml")
	must(p.t, err)
	return computed == len(alertNames(string(rules)))
}
