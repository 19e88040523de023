package main

import (
	"encoding/json"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// signedBy tells whether a credential among the servers is signed by a secret.
func signedBy(servers []wire.ICEServer, secret string) bool {
	for _, server := range servers {
		if c, err := (turnsvc.Verifier{Secrets: []string{secret}}).Check(server.Username); err == nil && c.Accepts(server.Credential) {
			return true
		}
	}
	return false
}

// TestARetiredProcessSignsWithTheSecretOfNow holds that whoever is in a room of an old
// process is given credentials that the relay of the new one knows when the old secret
// has gone, however the new one has come there.
func TestARetiredProcessSignsWithTheSecretOfNow(t *testing.T) {
	t.Parallel()
	const before, after = "the secret from before", "the secret from now on"
	for name, c := range map[string]struct {
		early  bool   // the file changes before the upgrade, and nothing is reloaded
		more   string // of the settings, that this version does not know
		change func(t *testing.T, p *process, serves int)
	}{
		"reloaded": {change: func(t *testing.T, _ *process, serves int) { must(t, syscall.Kill(serves, syscall.SIGHUP)) }},
		"reloaded, with a setting of a newer version": {more: prefix + "NO_SUCH_SETTING=1\n", change: func(t *testing.T, p *process, _ int) {
			must(t, p.cmd.Process.Signal(syscall.SIGHUP))
		}},
		"reloaded in the first process of a container": {change: func(t *testing.T, p *process, _ int) {
			must(t, p.cmd.Process.Signal(syscall.SIGHUP))
		}},
		"changed before the upgrade": {early: true, change: func(*testing.T, *process, int) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, env := filepath.Join(dir, "turn-secrets"), filepath.Join(dir, "env")
			write := func(path, text string) { must(t, os.WriteFile(path, []byte(text), 0o600)) }
			write(file, before)
			write(env, "")
			p := startLine(t, "TURN_SECRETS_FILE="+file, "ENV_FILE="+env, "WS_RATE_PER_IP=0")
			held := holdRoom(t, p)
			if c.early {
				write(file, after+","+before)
			}
			answer, err := p.upgrade(t)
			must(t, err)
			write(file, after+","+before)
			write(env, c.more)
			c.change(t, p, answer.Serves.PID)
			until(t, "the retired process signs with the new secret", func() bool { return signedBy(held.again(), after) })
			if c.more == "" {
				until(t, "the new process signs with it", func() bool { return signedBy(checked(t, p), after) })
			}
			if line := p.log.line(`"WARN"`, "restart"); line != "" {
				t.Errorf("the log says %s", line)
			}
		})
	}
}

// TestARetiredProcessHearsOfARotation is the same for secrets that live in STATE_DIR.
func TestARetiredProcessHearsOfARotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startLine(t, "STATE_DIR="+dir, "WS_RATE_PER_IP=0")
	held := holdRoom(t, p)
	_, err := p.upgrade(t)
	must(t, err)
	client := admin.Client{URL: p.admin, HTTP: newClient(t)}
	must(t, client.Do(t.Context(), http.MethodPost, "/api/turn/secrets", nil, nil))
	text, err := os.ReadFile(filepath.Join(dir, "turn-secret"))
	must(t, err)
	newest, _, _ := strings.Cut(string(text), "\n")
	until(t, "the retired process signs with the new secret", func() bool { return signedBy(held.again(), newest) })
}

// heldRoom is a room of the first process, and a member who comes back again and again.
type heldRoom struct {
	t     *testing.T
	p     *process
	room  string
	last  *rawClient
	token string
}

func holdRoom(t *testing.T, p *process) *heldRoom {
	t.Helper()
	h := &heldRoom{t: t, p: p, room: meet(t, p.url), last: dialRaw(t, p.url+"/signaling")}
	dialRaw(t, p.url+"/signaling").register(h.room, "alice", "") // keeps the room there
	h.token = h.last.register(h.room, "bob", "").ResumeToken
	return h
}

// again are the servers that he is told when he comes back.
func (h *heldRoom) again() []wire.ICEServer {
	h.t.Helper()
	_ = h.last.conn.CloseNow() // without a word
	h.last = dialRaw(h.t, h.p.url+"/signaling")
	a := h.last.register(h.room, "bob", h.token)
	if !a.Resumed || a.Rebuilt {
		h.t.Fatalf("accept = %+v, want the seat that was", a)
	}
	h.token = a.ResumeToken
	return a.ICEServers
}

// checked are the servers that the new process mints for.
func checked(t *testing.T, p *process) []wire.ICEServer {
	t.Helper()
	status, body := get(t, p.url+"/check/servers")
	if status != http.StatusOK {
		return nil // too many questions
	}
	var answer checkAnswer
	must(t, json.Unmarshal([]byte(body), &answer))
	return answer.A
}

func TestARetiredProcessKeepsItsAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ has, wanted, want int64 }{
		{0, 0, 0}, {0, 5, 0}, {5, 7, 7}, {5, 0, math.MaxInt64}, {math.MaxInt64, 7, 7},
	} {
		if got := retiredBudget(c.has, c.wanted); got != c.want {
			t.Errorf("retiredBudget(%d, %d) = %d, want %d", c.has, c.wanted, got, c.want)
		}
	}
}
