package main

import (
	"flag"
	"path/filepath"
	"testing"

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
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: func(e *testscript.Env) error {
		e.Setenv("CONFIGS", configs) // what operators copy
		return nil
	}})
}
