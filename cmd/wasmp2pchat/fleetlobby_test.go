package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// bansAt is the names of the bans that hold at a server.
func bansAt(t *testing.T, s *server) (names []string) {
	t.Helper()
	list, _, err := admin.List[admin.Ban](t.Context(), &admin.Client{URL: s.admin}, "/api/bans", url.Values{}, 10)
	must(t, err)
	for _, ban := range list {
		names = append(names, ban.Name)
	}
	return names
}

// TestABanHoldsInTheWholeFleet bans at one node somebody who has a chat at another
// and waits there, starts a third which has never heard of it, and lifts the ban at
// that one, while the second is down: it has it in its file.
func TestABanHoldsInTheWholeFleet(t *testing.T) {
	t.Parallel()
	redis, dir := redistest.Start(t), t.TempDir()
	one := startServer(t, fleetOf(redis, "n1")...)
	two := startServer(t, fleetOf(redis, "n2", "STATE_DIR="+dir)...)
	for _, s := range []*server{one, two} {
		until(t, "each lists both", func() bool { return len(nodesAt(t, s)) == 2 })
	}
	a, b := openTerminal(t, "--relay", two.url), openTerminal(t, "--relay", two.url)
	a.expect("* connected: relay-")
	b.expect("* connected: relay-")
	waits := openTerminal(t, two.url)
	waits.expect("* looking for somebody")

	until(t, "the first one knows who is at the second", func() bool { return nodesAt(t, one)["n2"].Online >= 3 })
	var banned admin.Banned
	client := &admin.Client{URL: one.admin}
	must(t, client.Do(t.Context(), http.MethodPost, "/api/bans", admin.BanRequest{Address: "127.0.0.1", Reason: "sells watches"}, &banned))
	if len(banned.Bans) != 1 {
		t.Fatalf("banned = %+v, want an address", banned)
	}
	a.expect("* the stranger has left")
	b.expect("* the stranger has left")
	if err := <-waits.done; err == nil || !strings.Contains(err.Error(), "banned") {
		t.Errorf("who waited at the other node ended with %v, want that he is banned", err)
	}

	must(t, two.stop())
	three := startServer(t, fleetOf(redis, "n3")...)
	until(t, "the third has learned of the ban", func() bool { return len(bansAt(t, three)) == 1 })
	client.URL = three.admin
	must(t, client.Do(t.Context(), http.MethodDelete, "/api/bans/"+banned.Bans[0].Name, nil, nil))
	until(t, "the first one knows that it is lifted", func() bool { return len(bansAt(t, one)) == 0 })
	until(t, "so does redis", func() bool { return strings.Contains(redis.Do(t, "HVALS", "wasmp2pchat:bans"), "lifted") })
	two = startServer(t, fleetOf(redis, "n2", "STATE_DIR="+dir)...)
	until(t, "the second has learned that it is lifted", func() bool { return len(bansAt(t, two)) == 0 })
	for _, s := range []*server{one, two, three} {
		must(t, s.stop())
	}
}
