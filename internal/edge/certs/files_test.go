package certs

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// issued is a pair as it lies in files.
type issued struct{ chain, key []byte }

// maker is a certificate authority of three lines: a root, and an
// intermediate that signs.
type maker struct {
	t                *testing.T
	root, middle     *x509.Certificate
	rootKey, signKey *ecdsa.PrivateKey
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	m := &maker{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	m.root, m.rootKey = m.sign(template, nil, nil)
	template.Subject.CommonName = "intermediate"
	m.middle, m.signKey = m.sign(template, m.root, m.rootKey)
	return m
}

func (m *maker) sign(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	m.t.Helper()
	signer, _, err := newKey()
	if err != nil {
		m.t.Fatal(err)
	}
	key := signer.(*ecdsa.PrivateKey)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		m.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return cert, key
}

// issue makes a pair with a full chain, as the template is changed.
func (m *maker) issue(serial int64, change func(*x509.Certificate)) issued {
	m.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{ourName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	if change != nil {
		change(template)
	}
	leaf, key := m.sign(template, m.middle, m.signKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	return issued{certText(leaf, m.middle), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
}

func certText(certs ...*x509.Certificate) (text []byte) {
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// write puts a text into a file.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts a text into a file as careful programs do.
func replace(t *testing.T, path string, text []byte) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// scene is a keeper of files and a log.
type scene struct {
	*Keeper
	*stoppedClock
	*journal
	t       *testing.T
	waiting pause
	changed atomic.Int64 // times that Config.Changed was called
}

// watchFiles starts a keeper on two files that are there.
func watchFiles(t *testing.T, dir string) *scene {
	t.Helper()
	s := &scene{journal: new(journal), t: t}
	s.Keeper = newKeeper(t, Config{
		Domain: ourName, CertFile: filepath.Join(dir, "fullchain.pem"), KeyFile: filepath.Join(dir, "privkey.pem"),
		Log: s.logger(slog.LevelInfo), Changed: func() { s.changed.Add(1) },
	})
	s.stoppedClock = stopClock(s.Keeper)
	run(t, s.Keeper)
	s.waiting = s.wait(t)
	return s
}

// look lets the keeper read its files once.
func (s *scene) look() {
	s.t.Helper()
	s.pass(s.waiting)
	s.waiting = s.wait(s.t)
}

// want fails the test if another certificate is in use.
func (s *scene) want(serial int64) {
	s.t.Helper()
	if got := s.current.Load().Leaf.SerialNumber.Int64(); got != serial {
		s.t.Errorf("certificate %d is in use, want %d", got, serial)
	}
}

func TestFilesThatAreReplacedUnderLoadCutNobody(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), newMaker(t)
	chain, key := filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	put := func(p issued) {
		replace(t, chain, p.chain)
		replace(t, key, p.key)
	}
	put(m.issue(1, nil))
	s := watchFiles(t, dir)
	roots := x509.NewCertPool()
	roots.AddCert(m.root)
	config := &tls.Config{ServerName: ourName, RootCAs: roots}
	l := listen(t)
	var running sync.WaitGroup
	running.Go(func() { echo(tls.NewListener(l, s.TLSConfig())) })
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	open, err := dial(t, l, config)
	if err != nil {
		t.Fatal(err)
	}

	var over atomic.Bool
	var seen []string
	var visitor sync.WaitGroup
	visitor.Go(func() {
		for !over.Load() {
			conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", l.Addr().String())
			if err != nil {
				t.Errorf("a visitor was refused: %v", err)
				return
			}
			if number := serial(conn.(*tls.Conn)); len(seen) == 0 || seen[len(seen)-1] != number {
				seen = append(seen, number)
			}
			_ = conn.Close()
		}
	})
	for next := int64(2); next <= 4; next++ {
		put(m.issue(next, nil))
		s.look()
		s.want(next)
		alive(t, open)
		if conn, err := dial(t, l, config); err != nil || serial(conn) != big.NewInt(next).String() {
			t.Errorf("the next handshake has another certificate than %d, %v", next, err)
		}
	}
	over.Store(true)
	visitor.Wait()
	if len(seen) == 0 || !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Errorf("visitors saw certificates %v, want each of 1 2 3 4 at most once, in that order", seen)
	}
	if lines := s.lines(""); len(lines) != 4 {
		t.Errorf("the log has %d lines for 4 certificates: %q", len(lines), lines)
	}
}

func TestAHalfWrittenPairIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), newMaker(t)
	chain, key := filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	first, second := m.issue(1, nil), m.issue(2, nil)
	write(t, chain, first.chain)
	write(t, key, first.key)
	s := watchFiles(t, dir)
	for _, half := range [][]byte{nil, second.chain[:len(second.chain)/3], second.chain} {
		write(t, chain, half)
		s.look()
		s.want(1)
	}
	write(t, key, second.key)
	s.look()
	s.want(2)
	if lines := s.lines("level=ERROR"); len(lines) != 0 || s.Status().Err != "" {
		t.Errorf("something was told of a pair that only took its time: %q, %+v", lines, s.Status())
	}
}

func TestABadPairIsToldOnceAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	second := m.issue(2, nil)
	for name, spoil := range map[string]func(t *testing.T, chain, key string){
		"there is no PEM block CERTIFICATE":          func(t *testing.T, chain, _ string) { write(t, chain, []byte("nothing")) },
		"there is no PEM block PRIVATE KEY":          func(t *testing.T, _, key string) { write(t, key, []byte("nothing")) },
		"the key does not belong to the certificate": func(t *testing.T, chain, _ string) { write(t, chain, second.chain) },
		"no such file or directory":                  func(t *testing.T, chain, _ string) { _ = os.Remove(chain) },
		"it is none, or one with a pass phrase": func(t *testing.T, _, key string) {
			write(t, key, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, first := t.TempDir(), m.issue(1, nil)
			chain, key := filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
			write(t, chain, first.chain)
			write(t, key, first.key)
			s := watchFiles(t, dir)
			spoil(t, chain, key)
			for range 5 {
				s.look()
			}
			s.want(1)
			if lines := s.lines("level=ERROR"); len(lines) != 1 || !strings.Contains(lines[0], name) || !strings.Contains(lines[0], chain) {
				t.Errorf("the log has %q, want one error with the reason and the file", lines)
			}
			if status := s.Status(); !strings.Contains(status.Err, name) || len(status.Names) != 1 {
				t.Errorf("status %+v, want the reason and the old certificate", status)
			}
			write(t, chain, first.chain)
			write(t, key, first.key)
			s.look()
			if status := s.Status(); status.Err != "" {
				t.Errorf("once the old pair is back: status %+v, want no error", status)
			}
		})
	}
}

func TestASymbolicLinkThatChangesIsSeen(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), newMaker(t)
	for serial, folder := range map[int64]string{1: "..one", 2: "..two"} {
		pair := m.issue(serial, nil)
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, folder, "fullchain.pem"), pair.chain)
		write(t, filepath.Join(dir, folder, "privkey.pem"), pair.key)
	}
	link(t, "..one", filepath.Join(dir, "..data")) // as Kubernetes does
	link(t, "..data/fullchain.pem", filepath.Join(dir, "fullchain.pem"))
	link(t, "..data/privkey.pem", filepath.Join(dir, "privkey.pem"))
	s := watchFiles(t, dir)
	s.want(1)
	link(t, "..two", filepath.Join(dir, "..data.new"))
	if err := os.Rename(filepath.Join(dir, "..data.new"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.want(2)
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func TestReloadReadsTheFilesAtOnce(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), newMaker(t)
	first, second := m.issue(1, nil), m.issue(2, nil)
	write(t, filepath.Join(dir, "fullchain.pem"), first.chain)
	write(t, filepath.Join(dir, "privkey.pem"), first.key)
	s := watchFiles(t, dir)
	write(t, filepath.Join(dir, "fullchain.pem"), second.chain)
	write(t, filepath.Join(dir, "privkey.pem"), second.key)
	if n := s.changed.Load(); n != 0 {
		t.Errorf("Changed was called %d times before anything has changed", n)
	}
	s.Reload()
	s.wait(t)
	s.want(2)
	if n := s.changed.Load(); n != 1 {
		t.Errorf("Changed was called %d times for one change", n)
	}
}
