package main

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// theRoom is the one room of a server.
func theRoom(t *testing.T, client *admin.Client) admin.RoomAnswer {
	t.Helper()
	rooms, _, err := admin.List[admin.RoomAnswer](t.Context(), client, "/api/rooms", url.Values{}, 10)
	must(t, err)
	if len(rooms) != 1 {
		t.Fatalf("rooms = %+v, want one", rooms)
	}
	return rooms[0]
}

// TestAKickEndsARoomAtOnce ends the room of two who talk directly, and of two who
// are relayed by each plane: both are told that the other one has left, and nothing
// of theirs is held by the time that the answer comes.
func TestAKickEndsARoomAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plane string
		args  []string
		path  string
	}{
		"directly":              {"pion", nil, "* connected: direct"},
		"relayed by pion":       {"pion", []string{"--relay"}, "* connected: relay-"},
		"relayed by batch":      {"batch", []string{"--relay"}, "* connected: relay-"},
		"relayed by the kernel": {"ebpf", []string{"--relay"}, "* connected: relay-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, "TURN_DATAPLANE="+c.plane)
			if s.log.line(`"msg":"turn data plane chosen"`, `"plane":"`+c.plane+`"`) == "" {
				t.Skip("there is no such plane here")
			}
			a, b := openTerminal(t, append(c.args, s.url)...), openTerminal(t, append(c.args, s.url)...)
			a.expect(c.path)
			b.expect(c.path)
			a.say("hello")
			b.expect("stranger: hello")
			client := &admin.Client{URL: s.admin}
			room := theRoom(t, client)
			if c.args != nil && room.Allocations == 0 {
				t.Error("the relay holds nothing of the room")
			}
			must(t, client.Do(t.Context(), http.MethodDelete, "/api/rooms/"+room.ID, nil, nil))
			list, _, err := admin.List[admin.AllocationAnswer](t.Context(), client, "/api/allocations", url.Values{}, 10)
			if err != nil || len(list) > 0 {
				t.Errorf("after the end of the room there are %+v (%v), want no allocation", list, err)
			}
			a.expect("* the stranger has left")
			b.expect("* the stranger has left")
			must(t, s.stop())
		})
	}
}

// TestABanEndsWhatTheBannedHas bans a member of a room by his side: both chats end,
// and neither comes back, for they share an address. The ban survives the server.
func TestABanEndsWhatTheBannedHas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, "STATE_DIR="+dir)
	a, b := openTerminal(t, "--relay", s.url), openTerminal(t, "--relay", s.url)
	a.expect("* connected: relay-")
	b.expect("* connected: relay-")
	waits := openTerminal(t, s.url)
	waits.expect("* looking for somebody (1 waiting")
	client := &admin.Client{URL: s.admin}
	var banned admin.Banned
	must(t, client.Do(t.Context(), http.MethodPost, "/api/bans", admin.BanRequest{Room: theRoom(t, client).ID, Side: "a", Reason: "sells watches"}, &banned))
	if len(banned.Bans) != 1 || banned.Bans[0].Kind != "address" || banned.Rooms != 1 || time.Until(banned.Bans[0].Until) < 23*time.Hour {
		t.Errorf("banned = %+v, want an address for a day, and a room", banned)
	}
	a.expect("* the stranger has left")
	b.expect("* the stranger has left")
	if err := <-waits.done; err == nil || !strings.Contains(err.Error(), "banned") {
		t.Errorf("who waited at that address ended with %v, want that it is banned", err)
	}
	list, _, err := admin.List[admin.AllocationAnswer](t.Context(), client, "/api/allocations", url.Values{}, 10)
	if err != nil || len(list) > 0 {
		t.Errorf("the banned still hold %+v (%v)", list, err)
	}
	must(t, s.stop())

	next := startServer(t, "STATE_DIR="+dir)
	late := openTerminal(t, next.url)
	if err := <-late.done; err == nil || !strings.Contains(err.Error(), "banned") {
		t.Errorf("at the next server he ended with %v, want that he is banned", err)
	}
	client.URL = next.admin
	must(t, client.Do(t.Context(), http.MethodDelete, "/api/bans/"+banned.Bans[0].Name, nil, nil))
	free := openTerminal(t, next.url)
	free.expect("* looking for somebody (1 waiting")
	must(t, next.stop())
}

// TestDrainingSparesThoseWhoTalk drains a server on which two talk and one waits,
// and takes it back.
func TestDrainingSparesThoseWhoTalk(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a, b := openTerminal(t, "--relay", s.url), openTerminal(t, "--relay", s.url)
	a.expect("* connected: relay-")
	b.expect("* connected: relay-")
	waits := openTerminal(t, s.url)
	waits.expect("* looking for somebody (1 waiting")
	client := &admin.Client{URL: s.admin}
	must(t, client.Do(t.Context(), http.MethodPost, "/api/drain", nil, nil))
	if status, body := get(t, s.admin+"/readyz"); status != http.StatusServiceUnavailable || body != "draining\n" {
		t.Errorf("/readyz = %d %q, want 503 draining", status, body)
	}
	if status, _ := get(t, s.url+"/version"); status != http.StatusOK {
		t.Errorf("the page answers %d", status)
	}
	a.say("still there?")
	b.expect("stranger: still there?")
	if _, metrics := get(t, s.admin+"/metrics"); !strings.Contains(metrics, "wasmp2pchat_match_waiting 0\n") || !strings.Contains(metrics, `wasmp2pchat_match_refused_total{reason="shutting-down"} 1`) {
		t.Error("the one who waits was not told")
	}
	must(t, client.Do(t.Context(), http.MethodDelete, "/api/drain", nil, nil))
	s.ready(t)
	waits.expect("* looking for somebody (1 waiting") // he has come back by himself
	other := openTerminal(t, s.url)
	other.expect("* connected")
	_ = a.keys.Close()
	b.expect("* the stranger has left")
	_ = other.keys.Close()
	waits.expect("* the stranger has left")
	must(t, s.stop())
}

// TestTheTokenIsReadAgain changes it while the server serves.
func TestTheTokenIsReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		must(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	}
	write("the token of before")
	s := startServer(t, "ADMIN_TOKEN_FILE="+file)
	ask := func(token string) error {
		client := &admin.Client{URL: s.admin, Token: token}
		return client.Do(t.Context(), http.MethodGet, "/api/drain", nil, nil)
	}
	must(t, ask("the token of before"))
	write("the token from now on")
	s.hangup <- syscall.SIGHUP
	until(t, "the new token is wanted", func() bool { return ask("the token from now on") == nil })
	if problem, ok := errors.AsType[*admin.ProblemError](ask("the token of before")); !ok || problem.Status != http.StatusUnauthorized {
		t.Errorf("the token of before = %v, want 401", problem)
	}
	if status, _ := get(t, s.admin+"/metrics"); status != http.StatusUnauthorized {
		t.Errorf("/metrics without the token = %d, want 401", status)
	}
	must(t, s.stop())
}

func TestATokenIsWantedWhereOthersCanCome(t *testing.T) {
	t.Parallel()
	const want = "WASMP2PCHAT_ADMIN_TOKEN: want a secret"
	for addr, wrong := range map[string]bool{
		"127.0.0.1:9090": false, "[::1]:9090": false, "localhost:9090": false, "off": false,
		":9090": true, "0.0.0.0:9090": true, "[::]:9090": true, "192.0.2.7:9090": true,
	} {
		_, _, err := loadConfig([]string{prefix + "ADMIN_ADDR=" + addr})
		if (err != nil) != wrong || wrong && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ADMIN_ADDR="+addr)) {
			t.Errorf("ADMIN_ADDR=%s: %v, want a fault: %v", addr, err, wrong)
		}
		if _, _, err := loadConfig([]string{prefix + "ADMIN_ADDR=" + addr, prefix + "ADMIN_TOKEN=0123456789abcdef"}); err != nil {
			t.Errorf("ADMIN_ADDR=%s with a token: %v", addr, err)
		}
	}
	_, _, err := loadConfig([]string{prefix + "TURN_API_KEY=0123456789abcdef"})
	if err == nil || !strings.Contains(err.Error(), "WASMP2PCHAT_TURN_API_KEY: want TURN_PEERS=public") {
		t.Errorf("an API key with TURN_PEERS=room: %v, want a fault", err)
	}
}
