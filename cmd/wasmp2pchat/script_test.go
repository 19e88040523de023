package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts in testdata run this test binary as wasmp2pchat.
func TestMain(m *testing.M) {
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
		Setup: func(env *testscript.Env) error {
			env.Setenv("CONFIGS", configs) // what operators copy
			env.Setenv("PORT", strconv.Itoa(freePort(t)))
			env.Setenv("ADMIN_PORT", strconv.Itoa(freePort(t)))
			return nil
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
