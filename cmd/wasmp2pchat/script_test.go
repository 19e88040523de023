package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": playUntil},
	})
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
