package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestLabIsAskedRightly is about the command line; what it runs needs root.
func TestLabIsAskedRightly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want string // of the error
	}{
		{"--only nobody-none", `no pair is called "nobody-none"`},
		{"prcone-prcone", `lab wants no "prcone-prcone"`},
		{"--rounds many", `invalid value "many" for flag -rounds`},
	} {
		var out bytes.Buffer
		err := labCommand(t.Context(), world{args: strings.Fields(c.args), stdout: &out, stderr: &out})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("lab %s = %v, want %s", c.args, err, c.want)
		}
	}
	var out bytes.Buffer
	if err := labCommand(t.Context(), world{args: []string{"--list", "--only", "prcone-symmetric"}, stdout: &out, stderr: &out}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "prcone-symmetric ") || !strings.HasSuffix(got, " relay udp IPv4\n") {
		t.Errorf("lab --list = %q", got)
	}
}
