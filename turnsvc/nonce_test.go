package turnsvc

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestNonces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, client := newNonces(), netip.MustParseAddrPort("198.51.100.7:5000")
		nonce := n.make(client)
		if len(nonce) != 16 {
			t.Errorf("a nonce has %d characters, want 16: answers to strangers are short", len(nonce))
		}
		for name, c := range map[string]struct {
			nonce  string
			client string
			valid  bool
		}{
			"for its client":     {nonce, "198.51.100.7:5000", true},
			"from another port":  {nonce, "198.51.100.7:5001", false},
			"from another host":  {nonce, "198.51.100.8:5000", false},
			"cut":                {nonce[1:], "198.51.100.7:5000", false},
			"empty":              {"", "198.51.100.7:5000", false},
			"of another server":  {newNonces().make(client), "198.51.100.7:5000", false},
			"with other letters": {"!" + nonce[1:], "198.51.100.7:5000", false},
		} {
			if got := n.valid(c.nonce, netip.MustParseAddrPort(c.client)); got != c.valid {
				t.Errorf("a nonce %s: valid = %v, want %v", name, got, c.valid)
			}
		}
		<-time.After(nonceLifetime)
		if !n.valid(nonce, client) {
			t.Error("a nonce is not valid for its lifetime")
		}
		<-time.After(2 * time.Second)
		if n.valid(nonce, client) {
			t.Error("a nonce is valid after its lifetime")
		}
	})
}
