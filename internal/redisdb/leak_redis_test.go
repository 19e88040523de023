//go:build redis

package redisdb

import (
	"runtime"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// TestConnectingLeavesNothing holds what a server costs that is tried for days: a
// connection that is closed, or was refused, leaves no goroutine. It is alone: it
// counts those of the process.
func TestConnectingLeavesNothing(t *testing.T) {
	watched := redistest.StartSentinels(t)
	url, _ := redistest.StartCluster(t)
	locked := redistest.Start(t, "--requirepass", "secret")
	gone := redistest.Start(t)
	gone.Kill()
	for name, c := range map[string]struct {
		url     string
		refused bool
	}{
		"Sentinels": {watched.URL, false}, "a cluster": {url, false}, "one server": {watched.Primary.URL, false},
		"a password is missing": {locked.URL, true}, "nobody listens": {gone.URL, true},
		"an unknown primary": {strings.Replace(watched.URL, "mymaster", "another", 1), true},
		"no cluster":         {locked.URL + "," + gone.Addr, true},
	} {
		target, err := parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		once := func() {
			line, err := connect(t.Context(), target)
			if (err != nil) != c.refused {
				t.Fatalf("%s: %v", name, err)
			}
			if err == nil {
				if err := examine(t.Context(), line.client); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				line.close()
			}
		}
		once()
		before := runtime.NumGoroutine()
		const times = 20
		for range times {
			once()
		}
		redistest.Until(t, func() bool { return runtime.NumGoroutine() < before+times/2 })
	}
}
