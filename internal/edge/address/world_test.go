package address

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is what a keeper sees; a test changes it between two pauses of the fake
// clock.
type world struct {
	mu         sync.Mutex // guards what follows
	interfaces []netip.Addr
	dns        []netip.Addr
	dnsErr     error
	stun       []netip.Addr
	stunErr    error
	stunSilent bool
	asked      []time.Time // when STUN was asked
	changes    []Addresses
	lines      []string // of the log
}

func (w *world) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dnsErr != nil {
		return nil, w.dnsErr
	}
	return zone{"chat.example.org": w.dns}.LookupNetIP(ctx, network, host)
}

func (w *world) askSTUN(ctx context.Context) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, time.Now())
	if w.stunSilent {
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return nil, ctx.Err()
	}
	return w.stun, w.stunErr
}

// Write takes one line of the log.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, strings.TrimSpace(string(line)))
	return len(line), nil
}

// logged takes the lines that are new.
func (w *world) logged() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

// rounds is when STUN was asked so far.
func (w *world) rounds() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// set changes the world.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// keeper is one whose only other source than interfaces and DNS is called STUN.
func (w *world) keeper(change func(*Config)) *Keeper {
	cfg := Config{
		Domain:  "chat.example.org",
		Public:  isPublic,
		Changed: func(a Addresses) { w.set(func() { w.changes = append(w.changes, a) }) },
		Log: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
		Interfaces: func() (list []netip.Addr, err error) {
			w.set(func() { list = w.interfaces })
			return list, nil
		},
		Resolver: w,
		DMI:      firmware(nil),
	}
	if change != nil {
		change(&cfg)
	}
	k := New(cfg)
	k.sources = append(k.sources, &source{name: "stun stun.example.org:3478", kind: kindSTUN, named: true, ask: w.askSTUN})
	return k
}

// kept runs a test with a keeper that has found and serves, on a fake clock.
func kept(t *testing.T, w *world, change func(*Config), test func(t *testing.T, k *Keeper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := w.keeper(change)
		if _, err := k.Find(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Serve(ctx) }()
		synctest.Wait()
		test(t, k)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
}

// pass lets fake time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func told(k *Keeper) string { return join(k.Current().List()) }
