package swarm

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// FuzzTarget holds that a URL makes two requests and nothing else, whatever is in it.
func FuzzTarget(f *testing.F) {
	for _, raw := range []string{"http://localhost:8080", "wss://chat.example.org/a/", "http://a/%0d%0aX:%20y", "https://[::1]", "http://a/b c", "http://a:x"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(raw, false)
		if err != nil {
			return
		}
		for _, text := range [][]byte{got.matchmaking, got.signaling} {
			in := bufio.NewReader(bytes.NewReader(text))
			r, err := http.ReadRequest(in)
			if err != nil || len(r.Header) != 4 || r.Method != http.MethodGet || in.Buffered() > 0 {
				t.Fatalf("%q makes the request %q: %v", raw, text, err)
			}
		}
	})
}
