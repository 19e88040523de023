//go:build browser

package e2e

import (
	"os/exec"
	"testing"
)

// TestTheProgramIsAnAyameServer plays the conformance suite against the built
// program, with the limits that it has when nobody sets them: the suite is
// slowed down by 429 and goes on. What is slow, its own tests play on the fake
// clock.
func TestTheProgramIsAnAyameServer(t *testing.T) {
	port, authn, disconnect := freePort(t), "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	startServer(t, &thisComputer{}, "127.0.0.1:"+freePort(t), "ADDR=127.0.0.1:"+port, "TURN_UDP_ADDR=:"+freePort(t), "TURN_TCP_ADDR=off",
		"SIGNAL_OPEN_ROOMS=true", "SIGNAL_AUTHN_WEBHOOK_URL=http://"+authn, "SIGNAL_DISCONNECT_WEBHOOK_URL=http://"+disconnect)
	suite := exec.CommandContext(t.Context(), "go", "run", "./ayame", "-limit", "65536",
		"-url", "ws://127.0.0.1:"+port+"/signaling", "-authn-listen", authn, "-disconnect-listen", disconnect)
	table, err := suite.CombinedOutput()
	t.Logf("\n%s", table)
	if err != nil {
		t.Error(err)
	}
}
