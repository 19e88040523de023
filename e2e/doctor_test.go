//go:build deployments

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// examination is what doctor --json prints.
type examination struct {
	Verdict string
	Checks  []complaint
}

// complaint is one of its checks: what was looked at, and what of it is wrong.
type complaint struct {
	ID, Subject, Status, Seen, Cause, Fix string
}

// examinationTimeout bounds doctor: it has to say something while its operator is
// still looking.
const examinationTimeout = time.Minute

// asksDoctor runs doctor: somewhere on the internet, or on the server's own
// host, with the server's settings.
func (d *deployment) asksDoctor(onHost bool) examination {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), examinationTimeout)
	defer cancel()
	args := []string{"doctor", "--json", "--ca", d.trusts}
	cmd := d.lab.Client(natlab.SideA).Command(ctx, serverBinary(d.t), append(args, "https://"+domain)...)
	if onHost {
		cmd = d.lab.Server().Command(ctx, serverBinary(d.t), args...)
		for _, setting := range d.settings {
			cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
		}
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && (!failed || exit.ExitCode() != 1) {
		d.t.Fatalf("doctor: %v: %s", err, said.String())
	}
	var e examination
	if err := json.Unmarshal(out, &e); err != nil {
		d.t.Fatalf("doctor printed %q: %v", out, err)
	}
	d.t.Logf("doctor, %s", e)
	if failed != (e.Verdict == "fail") || failed != (len(e.failing()) > 0) {
		d.t.Errorf("doctor ends with %v, its verdict is %s, and it has %d failing checks", err, e.Verdict, len(e.failing()))
	}
	return e
}

// failing are the checks that found what keeps people from chatting.
func (e examination) failing() []complaint {
	return slices.DeleteFunc(slices.Clone(e.Checks), func(f complaint) bool { return f.Status != "fail" })
}

// blames fails the test unless a cause is named, and nothing but what follows
// from it beside.
func (e examination) blames(t *testing.T, cause string, also []string) {
	t.Helper()
	named := false
	for _, f := range e.failing() {
		named = named || f.Cause == cause
		if f.Cause != cause && !slices.Contains(also, f.Cause) {
			t.Errorf("doctor blames %q for %s %s, want %q", f.Cause, f.ID, f.Subject, cause)
		}
		if f.Fix == "" {
			t.Errorf("doctor says of %s %s no way to mend it", f.ID, f.Subject)
		}
	}
	if !named {
		t.Errorf("doctor does not blame %s", cause)
	}
}

// String is the part of it that says what is wrong.
func (e examination) String() string {
	var b strings.Builder
	b.WriteString("verdict " + e.Verdict)
	for _, f := range e.Checks {
		if f.Status == "fail" || f.Status == "warn" {
			b.WriteString("\n  " + strings.Join([]string{f.Status, f.ID, f.Subject, f.Seen, "cause " + f.Cause, "fix " + f.Fix}, " | "))
		}
	}
	return b.String()
}

// What of a fix can be done as it is: a rule for the firewall of the host, and a
// setting. A setting whose value is in <angle brackets> is not one.
var (
	firewallCommand = regexp.MustCompile(`\bnft (?:add|insert) rule inet filter (?:input|output) [^;()]*\baccept\b`)
	settingLine     = regexp.MustCompile(`\bWASMP2PCHAT_([A-Z_]+=[^\s<>()]*[^\s<>(),;.])`)
)

// obeys does what doctor said where that is a command or a setting, and tells
// whether it was.
func (d *deployment) obeys(findings []complaint) bool {
	d.t.Helper()
	var done []string
	restart := false
	for _, f := range findings {
		for _, command := range firewallCommand.FindAllString(f.Fix, -1) {
			if !slices.Contains(done, command) {
				done = append(done, command)
				d.shell(command)
			}
		}
		for _, found := range settingLine.FindAllStringSubmatch(f.Fix, -1) {
			if !slices.Contains(done, found[1]) {
				done, restart = append(done, found[1]), true
				d.set(found[1])
			}
		}
	}
	if restart {
		d.serve()
	}
	d.t.Logf("done as doctor said: %q", done)
	return len(done) > 0
}
