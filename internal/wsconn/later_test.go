package wsconn

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNothingIsAskedBeforeWhatWasLeftIsDone holds that a session and the work
// that it has left never run at once.
func TestNothingIsAskedBeforeWhatWasLeftIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		_, s := w.connect(t)
		c := &Conn{hub: w.hub}
		release, asked := make(chan struct{}), make(chan struct{})
		c.Later(func() { <-release })
		go func() { c.awaitLater(); close(asked) }()
		synctest.Wait()
		select {
		case <-asked:
			t.Error("the session is asked while its work is done")
		default:
		}
		close(release)
		<-asked
		c.awaitLater() // nothing is left
		w.stop()
		<-s.closed
	})
}

// TestWorkThatIsLeftIsDoneOnce holds that nothing is forgotten, however much
// is left at once.
func TestWorkThatIsLeftIsDoneOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		var mu sync.Mutex
		done := map[*Conn]int{}
		var conns []*Conn
		for range 10 * maxTogether {
			conns = append(conns, &Conn{hub: w.hub})
		}
		for round := range 3 {
			for _, c := range conns {
				c.Later(func() {
					mu.Lock()
					defer mu.Unlock()
					done[c]++
				})
			}
			synctest.Wait()
			for i, c := range conns {
				if done[c] != round+1 {
					t.Fatalf("work %d was done %d times, want %d", i, done[c], round+1)
				}
				c.awaitLater()
			}
		}
		w.stop()
	})
}

// TestWhoDoesNotReadKeepsNoOthersWorkWaiting has somebody who is written to and
// does not read: the work of all others is done meanwhile, whether it was left
// before he got stuck or after.
func TestWhoDoesNotReadKeepsNoOthersWorkWaiting(t *testing.T) {
	t.Parallel()
	for transport, open := range worlds() {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			w := open(t, Config{WriteTimeout: time.Hour}, false)
			ws, slow := w.connect(t)
			text := bytes.Repeat([]byte("x"), 32<<10)
			ready, stuck := make(chan struct{}), make(chan struct{})
			work := &Conn{hub: w.hub}
			work.Later(func() {
				<-ready
				for slow.conn.Send(text) == nil {
				}
				close(stuck)
			})
			var others sync.WaitGroup
			leave := func() {
				for range maxTogether / 4 {
					others.Add(1)
					(&Conn{hub: w.hub}).Later(others.Done)
				}
			}
			leave()
			close(ready)
			others.Wait()
			leave()
			others.Wait()
			select {
			case <-stuck:
				t.Error("nobody was stuck")
			default:
			}
			_ = ws.Close()
			<-stuck
			w.stop()
		})
	}
}
