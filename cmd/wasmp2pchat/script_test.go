package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/acmetest"
)

// hasty lets a process end at once that the race detector watches: it would wait
// a second for goroutines to do more.
const hasty = "GORACE=atexit_sleep_ms=0"

// atOnce is how many parallel tests run, unless -parallel says it: they wait for
// one another's processes and clocks, and hardly for a core.
const atOnce = "8"

// TestMain lets the scripts in testdata run this test binary as wasmp2pchat.
func TestMain(m *testing.M) {
	if err := errors.Join(flag.Set("test.parallel", atOnce), acmetest.Prepare()); err != nil {
		panic(err)
	}
	flag.Bool("update", false, "write the generated files anew")
	flag.String("grafana", "", "folder with the npm packages @grafana/schema and typescript; empty means none")
	testscript.Main(m, map[string]func(){"wasmp2pchat": main})
}

// TestScripts plays what people type.
func TestScripts(t *testing.T) {
	t.Parallel()
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONFIGS", configs) // what operators copy
			e.Setenv("PORT", strconv.Itoa(freePort(t)))
			e.Setenv("ADMIN_PORT", strconv.Itoa(freePort(t)))
			e.Vars = append(e.Vars, hasty)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "client" {
				return false, errors.New("no such condition: " + name)
			}
			return hasClient()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"serving": serving, "until": playUntil},
	})
}

// serving LOG waits until the server that writes a log of JSON is ready, and sets
// URL, and the setting by which commands find it.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serving LOG")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // it is not there yet, or not whole
		var line struct{ Msg, URL, Admin string }
		for entry := range bytes.Lines(text) {
			if json.Unmarshal(entry, &line) == nil && line.Msg == "serving" {
				break
			}
		}
		admin := strings.TrimPrefix(line.Admin, "http://")
		if line.Msg == "serving" {
			if _, err := askReady(ctx, listenAddr(admin)); err == nil {
				ts.Setenv("URL", line.URL)
				ts.Setenv(prefix+"ADMIN_ADDR", admin)
				return
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			ts.Fatalf("the server is not ready after %v: %s", patience, text)
		}
	}
}

// playUntil runs a command of ours until what it prints fits a pattern. What fits
// the group of that, if there is one, is in $MATCH then.
//
//	until '^(\S+) ' admin rooms
func playUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var environ []string
	for _, name := range []string{"ADMIN_ADDR", "ADMIN_TOKEN", "STATE_DIR"} {
		if value := ts.Getenv(prefix + name); value != "" {
			environ = append(environ, prefix+name+"="+value)
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		var said bytes.Buffer
		err := run(context.Background(), world{args: args[1:], environ: environ, stdout: &said, stderr: io.Discard})
		if found := pattern.FindSubmatch(said.Bytes()); err == nil && found != nil {
			if len(found) > 1 {
				ts.Setenv("MATCH", string(found[1]))
			}
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%q never prints %q, at last %q (%v)", args[1:], args[0], said.String(), err)
		}
	}
}
