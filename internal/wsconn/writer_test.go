package wsconn

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestASlowReaderCostsOnlyItself holds that who sends to a client that does
// not read goes on: one sender waits for the write deadline, the queue is
// bounded, and the client is cut.
func TestASlowReaderCostsOnlyItself(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, Config{WriteTimeout: 200 * time.Millisecond}, false)
	_, slow := w.connect(t) // and never reads
	text := bytes.Repeat([]byte("x"), 32<<10)
	var senders sync.WaitGroup
	start := time.Now()
	for range 8 {
		senders.Go(func() {
			for slow.conn.Send(text) == nil {
			}
		})
	}
	senders.Wait()
	<-slow.closed
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("the senders were held up for %v", took)
	}
	if err := slow.conn.Send(text); !errors.Is(err, ErrClosed) {
		t.Errorf("Send after the cut = %v, want ErrClosed", err)
	}
	w.stop()
}

// TestTheQueueIsBounded holds a queue to its bound while the writer is stuck.
func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		_, s := w.connect(t) // a pipe has no buffer: the first write is stuck
		go func() { _ = s.conn.Send([]byte("stuck")) }()
		synctest.Wait()
		queued := 0
		for s.conn.Send([]byte("queued")) == nil {
			queued++
		}
		if queued != 64 {
			t.Errorf("%d messages were queued, want 64", queued)
		}
		<-s.closed
		w.stop()
	})
}

func TestMessagesOfEachSenderStayInOrder(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 200
	w := onLoopback(t, Config{QueueMessages: senders * each, QueueBytes: 1 << 20}, false)
	ws, s := w.connect(t)
	var running sync.WaitGroup
	for id := range senders {
		running.Go(func() {
			for n := range each {
				send := s.conn.Send
				if n%2 == 0 {
					send = s.conn.Post
				}
				if err := send(fmt.Appendf(nil, "%d %d", id, n)); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	var next [senders]int
	for range senders * each {
		_, text, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var id, n int
		if _, err := fmt.Sscanf(string(text), "%d %d", &id, &n); err != nil || n != next[id] {
			t.Fatalf("got %q, want message %d of that sender", text, next[id])
		}
		next[id]++
	}
	running.Wait()
	_ = ws.Close()
	w.stop()
}

// TestAStuckWriteEndsInTime holds that the one who writes to a client that
// does not read is held up for the write deadline and no longer, and that the
// client is cut then.
func TestAStuckWriteEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		for pause := range 3 { // what is left of the deadline of the write before
			ws, s := w.connect(t)
			s.conn.Keep()
			go func() { _, _, _ = ws.ReadMessage() }()
			if err := s.conn.Send([]byte("read")); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Duration(pause) * 900 * time.Millisecond)
			start := time.Now()
			if err := s.conn.Send([]byte("stuck")); err == nil {
				t.Error("Send to a client that does not read = nil")
			}
			if took := time.Since(start); took < 4*time.Second || took > 5*time.Second {
				t.Errorf("Send was held up for %v, want 4 to 5 s", took)
			}
			<-s.closed
		}
		w.stop()
	})
}

// TestAWriteThatHadToWaitHurriesNoOther holds that the deadline of a write ends
// with it.
func TestAWriteThatHadToWaitHurriesNoOther(t *testing.T) {
	t.Parallel()
	for transport, open := range worlds() {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			const patience = 50 * time.Millisecond
			w := open(t, Config{WriteTimeout: patience}, false)
			ws, s := w.connect(t)
			s.conn.Keep()
			watch := s.conn.watch
			d := s.conn.hub.deliveries.take(watch, nil)
			d.hurry()
			d.end()
			for range 2 {
				if err := s.conn.Send([]byte("x")); err != nil {
					t.Error(err)
				}
				<-time.After(2 * patience)
			}
			_ = ws.Close()
			w.stop()
		})
	}
}
