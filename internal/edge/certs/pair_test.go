package certs

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatVisitorsWillStumbleOverIsTold(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	lasts := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		want   string // nothing if empty
		change func(*x509.Certificate)
		chain  func([]byte) []byte
	}{
		{want: ""},
		{want: "has run out", change: lasts(-90*day, -time.Hour)},
		{want: "runs out soon", change: lasts(-80*day, 10*day)},
		{want: "", change: lasts(-3*day, 3*day)}, // a life that short is renewed late
		{want: "not valid yet", change: lasts(time.Hour, 90*day)},
		{want: "another name than DOMAIN", change: func(c *x509.Certificate) { c.DNSNames = []string{"other.example.org"} }},
		{want: "", change: func(c *x509.Certificate) { c.DNSNames = []string{"*.example.org"} }},
		{want: "leaf not first", chain: func(chain []byte) []byte {
			leaf, rest := pem.Decode(chain)
			return append(rest, pem.EncodeToMemory(leaf)...)
		}},
		{want: "lacks an intermediate", chain: func(chain []byte) []byte {
			leaf, _ := pem.Decode(chain)
			return pem.EncodeToMemory(leaf)
		}},
		{want: "lacks an intermediate", chain: func(chain []byte) []byte {
			leaf, _ := pem.Decode(chain)
			return append(pem.EncodeToMemory(leaf), certText(m.root)...)
		}},
	} {
		pair := m.issue(1, c.change)
		if c.chain != nil {
			pair.chain = c.chain(pair.chain)
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "fullchain.pem"), pair.chain)
		write(t, filepath.Join(dir, "privkey.pem"), pair.key)
		lines := watchFiles(t, dir).lines("level=WARN")
		if c.want == "" && len(lines) != 0 || c.want != "" && (len(lines) != 1 || !strings.Contains(lines[0], c.want)) {
			t.Errorf("the log has %q, want %q", lines, c.want)
		}
	}
}

func TestACertificateThatRunsOutIsToldEveryDay(t *testing.T) {
	t.Parallel()
	dir, pair := t.TempDir(), newMaker(t).issue(1, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	write(t, filepath.Join(dir, "fullchain.pem"), pair.chain)
	write(t, filepath.Join(dir, "privkey.pem"), pair.key)
	s := watchFiles(t, dir)
	for range 3 {
		s.waiting.length = complainInterval
		s.look()
		s.look()
	}
	if lines := s.lines("has run out"); len(lines) != 4 {
		t.Errorf("told %d times at the start and in three days, want 4", len(lines))
	}
	if status := s.Status(); status.Err != "the certificate has run out" {
		t.Errorf("status %+v, want that it has run out", status)
	}
}

func TestFilesThatCannotBeUsedStopTheStart(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{CertFile: "nowhere.pem", KeyFile: "nowhere.key"}); err == nil || !strings.Contains(err.Error(), "nowhere.pem") {
		t.Errorf("New = %v, want an error with the file", err)
	}
}

func FuzzParsePair(f *testing.F) {
	m := newMaker(new(testing.T))
	pair := m.issue(1, nil)
	f.Add(pair.chain, pair.key)
	f.Add(append(certText(m.middle), pair.chain...), pair.key)
	f.Add(pair.key, pair.chain)
	f.Fuzz(func(t *testing.T, chain, key []byte) {
		cert, _, err := parsePair(chain, key)
		if err != nil {
			return
		}
		signer, err := parseKey(key)
		if err != nil {
			t.Fatalf("parsePair takes a key that parseKey refuses: %v", err)
		}
		if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(cert.Leaf.PublicKey) {
			t.Fatal("the leaf belongs to another key")
		}
		if leaf, err := x509.ParseCertificate(cert.Certificate[0]); err != nil || !leaf.Equal(cert.Leaf) {
			t.Fatalf("the first certificate is not the leaf, %v", err)
		}
	})
}
