//go:build browser

package e2e

import (
	"encoding/json"
	"syscall"
)

// upgrade has a new process take the server over. Nobody who talks notices: no page
// opens another socket.
func (o *ordeal) upgrade() {
	o.t.Helper()
	opened := map[*tab]int{}
	for _, tab := range []*tab{o.a, o.b} {
		opened[tab] = evaluate[int](tab, "witness.sockets()")
	}
	var answer struct{ Serves struct{ PID int } }
	if err := json.Unmarshal(o.operator("upgrade", "--json"), &answer); err != nil || answer.Serves.PID == 0 {
		o.t.Fatalf("the answer to an upgrade is %+v, %v", answer, err)
	}
	o.t.Cleanup(func() { _ = syscall.Kill(answer.Serves.PID, syscall.SIGKILL) }) // it may have ended
	o.counts()
	o.talksOn()
	for tab, before := range opened {
		if now := evaluate[int](tab, "witness.sockets()"); now != before || before == 0 {
			o.t.Errorf("%s: has opened %d sockets, and %d before the upgrade", tab.name, now, before)
		}
	}
}

// upgrades has the server taken over twice.
func (o *ordeal) upgrades() {
	o.t.Helper()
	o.upgrade()
	o.upgrade()
	o.counts()
}
