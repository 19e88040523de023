//go:build deployments

package e2e

import (
	"strings"
	"testing"
)

// fault is one way in which a deployment does not work.
type fault struct {
	name   string                          // what is wrong
	breaks func(d *deployment)             // builds it, and starts what can be started
	harm   func(d *deployment) error       // how people suffer; nil when they do not
	onHost bool                            // doctor runs on the server's host: nobody else can know
	cause  string                          // what doctor has to name
	also   []string                        // what follows from it, and may be named too
	says   string                          // what the fix must have, where what mends does not take it from there
	mends  func(d *deployment, fix string) // what the fix asks of people; nil: it is a command or a setting
}

// repairs is how often one may do what doctor says: what is closed hides what is
// behind it.
const repairs = 3

// TestDoctorNamesTheFault breaks a deployment, proves that it is broken, and asks
// doctor why. What doctor says is done, and then nothing is wrong any more.
func TestDoctorNamesTheFault(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel() // it mostly waits for answers that do not come
			d := newDeployment(t)
			f.breaks(d)
			harm := f.harm(d)
			if harm == nil {
				t.Fatal("nobody suffers from it")
			}
			t.Logf("what people suffer: %v", harm)

			found := d.asksDoctor(f.onHost)
			found.blames(t, f.cause, f.also)
			for range repairs {
				if len(found.failing()) == 0 {
					break
				}
				f.repairs(d, found)
				found = d.asksDoctor(f.onHost)
			}
			if found.Verdict != "ok" {
				t.Errorf("when it is mended doctor's verdict is %s, want ok", found.Verdict)
			}
			if err := f.harm(d); err != nil {
				t.Errorf("when it is mended people suffer: %v", err)
			}
		})
	}
}

// repairs does what doctor said.
func (f fault) repairs(d *deployment, found examination) {
	d.t.Helper()
	if f.mends == nil {
		d.obeys(found.failing())
		return
	}
	for _, complaint := range found.failing() {
		if complaint.Cause == f.cause {
			if !strings.Contains(complaint.Fix, f.says) {
				d.t.Errorf("the fix is %q, want something with %q", complaint.Fix, f.says)
			}
			f.mends(d, complaint.Fix)
			return
		}
	}
	d.t.Fatalf("doctor no longer blames %s", f.cause)
}

// TestDoctorRaisesNoFalseAlarm looks at deployments that are all right.
func TestDoctorRaisesNoFalseAlarm(t *testing.T) {
	for name, setUp := range map[string]func(*deployment){
		"a server with a name":              func(*deployment) {},
		"a server behind a cloud's 1:1 NAT": inTheCloud,
		"a server without IPv6":             withoutIPv6,
		"pages that nginx serves":           func(d *deployment) { d.behindNginx(upgrading + whoComes + whereTo) },
		"a host whose firewall is right": func(d *deployment) {
			d.firewall("tcp dport { 80, 443, 3478, 5349 } accept\nudp dport { 443, 3478, 5349, 49152-65535 } accept", "")
		},
	} {
		for onHost, where := range map[bool]string{false: "from the internet", true: "on the host"} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				d := newDeployment(t)
				setUp(d)
				d.serve()
				if found := d.asksDoctor(onHost); found.Verdict != "ok" {
					t.Errorf("doctor's verdict is %s, want ok", found.Verdict)
				}
			})
		}
	}
}
