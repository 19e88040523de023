package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheDoorOutlivesWhatAcceptReturns holds that it goes on after a pause when
// the process has no descriptor left, and that the pauses grow to a second.
func TestTheDoorOutlivesWhatAcceptReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &weary{street: newStreet(), failures: 12}
		h := build(t, s, Config{})
		begin := time.Now()
		client := s.come(t, "192.0.2.1")
		if took := time.Since(begin); took != 5275*time.Millisecond {
			t.Errorf("twelve failures took %v, want pauses of 5 ms that double up to 1 s", took)
		}
		if n := h.Stats().AcceptErrors; n != 12 {
			t.Errorf("%d are counted, want 12", n)
		}
		_ = client.Close()
		synctest.Wait()
		s.fail(1000)
		second := s.come(t, "192.0.2.1") // Accept waits already; from now on it fails
		begin = time.Now()
		_ = second.Close()
		<-time.After(10 * time.Second)
		h.stop()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("it ended after %v, want in the middle of a pause", took)
		}
		h.settled(t)
	})
}

// weary is a street on which accepting fails at first.
type weary struct {
	*street
	mu       sync.Mutex
	failures int
}

func (w *weary) fail(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = n
}

// Accept implements net.Listener.
func (w *weary) Accept() (net.Conn, error) {
	w.mu.Lock()
	if w.failures > 0 {
		w.failures--
		w.mu.Unlock()
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	w.mu.Unlock()
	return w.street.Accept()
}

// TestASocketThatOthersCloseIsAnError holds that Serve does not end silently.
func TestASocketThatOthersCloseIsAnError(t *testing.T) {
	t.Parallel()
	l, _ := onLoopback(t)
	d := New(l, Config{})
	_ = l.Close()
	if err := d.Serve(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve = %v, want closed", err)
	}
	if _, err := d.HTTP().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want closed", err)
	}
}

// TestTheEnd holds what the end of a door is for those in it: at once for whom
// nobody knows, nothing at all for those who were handed over.
func TestTheEnd(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, cfg := range []Config{{}, {TLS: config}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStreet()
			h := build(t, s, cfg)
			silent, inside := s.come(t, "192.0.2.1"), s.come(t, "192.0.2.1")
			if cfg.TLS != nil {
				inside = clientTLS(inside)
			}
			if _, err := io.WriteString(inside, "G"); err != nil {
				t.Fatal(err)
			}
			out := <-h.arrivals
			begin := time.Now()
			h.stop()
			if took := time.Since(begin); took != 0 {
				t.Errorf("the end took %v, want none", took)
			}
			if _, err := silent.Read(make([]byte, 1)); err == nil {
				t.Error("who was being opened is still open")
			}
			if refused := h.Stats().Refused; refused[Unserved] != 1 {
				t.Errorf("refused %v, want one for the end", refused)
			}
			go func() { _, _ = io.WriteString(out, "answer") }() // ends when the client has read
			if got, err := io.ReadAll(io.LimitReader(inside, 6)); string(got) != "answer" || err != nil {
				t.Errorf("who is inside hears %q, %v", got, err)
			}
			for _, l := range []net.Listener{h.HTTP(), h.TURN()} {
				if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept after the end = %v, want closed", err)
				}
			}
			_ = out.Close()
			h.settled(t)
		})
	}
}

// TestTheServerEndsWithItsListener holds what http.Server makes of our listener:
// Serve returns when the door has ended, and Shutdown closes the exit, not the
// socket.
func TestTheServerEndsWithItsListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		d := New(s, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = d.Serve(ctx) })
		server := &http.Server{ReadHeaderTimeout: time.Minute}
		ended := make(chan error, 1)
		running.Go(func() { ended <- server.Serve(d.HTTP()) })
		synctest.Wait()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v after Shutdown", err)
		}
		client := s.come(t, "192.0.2.1")
		_, _ = io.WriteString(client, "G")
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("who comes for HTTP after that is not closed")
		}
		synctest.Wait()
		if n := d.Stats().Refused[Unserved]; n != 1 {
			t.Errorf("%d are counted, want 1", n)
		}
		if d.HTTP().Addr() != s.Addr() {
			t.Errorf("Addr() = %v", d.HTTP().Addr())
		}
		cancel()
		another := new(http.Server)
		another.ReadHeaderTimeout = time.Minute
		if err := another.Serve(d.HTTP()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v after the end, want closed", err)
		}
		running.Wait()
	})
}

// TestAServiceThatDoesNotAcceptHoldsNobodyUp holds that who comes for it is
// refused in time, at once when too many wait, and that the other one is served.
func TestAServiceThatDoesNotAcceptHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 4
		s := newStreet()
		d := New(s, Config{MaxOpening: most})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = d.Serve(ctx) })
		begin := time.Now()
		for i := range 2 * most {
			client := s.come(t, "192.0.2.1")
			_, _ = io.WriteString(client, "\x00")
			synctest.Wait()
			if n := d.Stats().Refused[Unserved]; n != uint64(max(0, i+1-most)) {
				t.Errorf("after %d: %d are refused", i+1, n)
			}
		}
		visitor := s.come(t, "192.0.2.1")
		go func() { _, _ = io.WriteString(visitor, "G") }() // ends when the door has read it
		page, err := d.HTTP().Accept()
		if err != nil || time.Since(begin) != 0 {
			t.Errorf("the other service accepts %v after %v", err, time.Since(begin))
		}
		<-time.After(DefaultOpening - time.Nanosecond)
		synctest.Wait()
		if n := d.Stats().Refused[Unserved]; n != most {
			t.Errorf("%d are refused before the time is up, want %d", n, most)
		}
		<-time.After(2 * time.Nanosecond)
		synctest.Wait()
		if s := d.Stats(); s.Refused[Unserved] != 2*most || s.Open != 1 {
			t.Errorf("%+v, want that only the visitor is left", s)
		}
		_ = page.Close()
		cancel()
		running.Wait()
	})
}

// TestAThousandComeAndGo holds that nothing is left behind, whatever they did.
func TestAThousandComeAndGo(t *testing.T) { // alone: it counts goroutines
	config := serverTLS(t, "acme-tls/1")
	before := runtime.NumGoroutine()
	for _, cfg := range []Config{{}, {TLS: config}} {
		l, dial := onLoopback(t)
		h := build(t, l, cfg)
		var answering sync.WaitGroup
		answering.Go(func() {
			for out := range h.arrivals {
				_, _ = io.WriteString(out, "answer")
				_ = out.Close()
			}
		})
		for i := range 500 {
			conn := net.Conn(dial())
			switch f := flights()[i%len(flights())]; {
			case i%7 == 0: // says nothing
			case cfg.TLS != nil && i%11 == 0:
				shake(conn, "acme-tls/1")
			case f.tls == (cfg.TLS != nil):
				if f.tls {
					conn = clientTLS(conn, f.protos...)
				}
				_, _ = io.WriteString(conn, f.says)
				_, _ = conn.Read(make([]byte, 1))
			default:
				_, _ = io.WriteString(conn, f.says) // not what is spoken here
			}
			_ = conn.Close()
		}
		deadline := time.After(time.Minute)
		for tick := time.NewTicker(5 * time.Millisecond); h.Stats().Open > 0 || h.Stats().Accepted < 500; {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("still there: %+v", h.Stats())
			}
		}
		h.stop()
		close(h.arrivals)
		answering.Wait()
		h.settled(t)
	}
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); runtime.NumGoroutine() > before; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// TestCallbacksOfTLSHaveAContextThatEnds holds that a certificate that has to be
// fetched is not waited for longer than anything else.
func TestCallbacksOfTLSHaveAContextThatEnds(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		<-hello.Context().Done()
		return nil, fmt.Errorf("fetch a certificate: %w", hello.Context().Err())
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		h := build(t, s, Config{TLS: config})
		begin := time.Now()
		client := s.come(t, "192.0.2.1")
		if err := clientTLS(client).HandshakeContext(t.Context()); err == nil || time.Since(begin) != DefaultOpening {
			t.Errorf("handshake = %v after %v", err, time.Since(begin))
		}
		synctest.Wait()
		h.stop()
		h.settled(t)
		if n := h.Stats().Refused[Slow]; n != 1 {
			t.Errorf("refused %v", h.Stats().Refused)
		}
	})
}

// TestTURNIsClosedAtOnce holds that a client who reads nothing does not hold up
// the relay, which closes many in a row, by the 5 s that crypto/tls gives a
// close_notify.
func TestTURNIsClosedAtOnce(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, protos := range [][]string{nil, {"stun.turn"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStreet()
			h := build(t, s, Config{TLS: config})
			client := s.come(t, "192.0.2.1")
			var writing sync.WaitGroup
			writing.Go(func() { _, _ = clientTLS(client, protos...).Write([]byte("\x00")) }) // and never reads again
			out := <-h.arrivals
			begin := time.Now()
			_ = out.Close()
			if took := time.Since(begin); took != 0 {
				t.Errorf("Close took %v", took)
			}
			writing.Wait()
			h.stop()
			h.settled(t)
		})
	}
}

// TestPartingPassesThrough holds that net/http may close one half, and copy
// without a detour.
func TestPartingPassesThrough(t *testing.T) {
	t.Parallel()
	l, dial := onLoopback(t)
	h := build(t, l, Config{})
	client := dial()
	_, _ = io.WriteString(client, "G")
	out := (<-h.arrivals).Conn.(*guest)
	if n, err := out.ReadFrom(strings.NewReader("page")); n != 4 || err != nil {
		t.Errorf("ReadFrom = %d, %v", n, err)
	}
	if err := out.CloseWrite(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(client); string(got) != "page" || err != nil {
		t.Errorf("the client reads %q, %v to the end", got, err)
	}
	if _, err := io.WriteString(client, "T"); err != nil {
		t.Error(err)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(out, got); err != nil || string(got) != "GT" {
		t.Errorf("the other half reads %q, %v", got, err)
	}
	if _, ok := out.NetConn().(*net.TCPConn); !ok {
		t.Errorf("beneath is %T", out.NetConn())
	}
	_, end := net.Pipe()
	if err := (&guest{Conn: end}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite of a pipe = %v", err)
	}
	_ = out.Close()
	_ = client.Close()
	h.stop()
}
