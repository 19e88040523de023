package gate

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// cut reads the Stream of server until it ends and tells after how long, on the
// fake clock, and why.
func cut(s *Stream) (time.Duration, error) {
	begin := time.Now()
	for {
		if _, _, err := s.ReadFrom(make([]byte, MaxFrameBytes)); err != nil {
			return time.Since(begin), err
		}
	}
}

func TestStreamIsCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		play func(client net.Conn)
		held bool
		want time.Duration
		err  error
	}{
		{"10 s after its start when it is silent", func(net.Conn) {}, false, 10 * time.Second, os.ErrDeadlineExceeded},
		{"10 s after its start when the first frame drips", drip(stunFrame(1580)), true, 10 * time.Second, os.ErrDeadlineExceeded},
		{"10 s after the first byte when a later frame drips", func(client net.Conn) {
			write(client, stunFrame(0))
			<-time.After(30 * time.Second)
			drip(stunFrame(1580))(client)
		}, false, 40 * time.Second, os.ErrDeadlineExceeded},
		{"after a minute of silence without an allocation", func(client net.Conn) {
			write(client, stunFrame(0))
		}, false, time.Minute, os.ErrDeadlineExceeded},
		{"after 11 minutes of silence with an allocation", func(client net.Conn) {
			write(client, stunFrame(0))
		}, true, 11 * time.Minute, os.ErrDeadlineExceeded},
		{"at once for garbage", func(client net.Conn) {
			write(client, []byte("POST"))
		}, false, 0, ErrFrame},
		{"at once for a length that wraps around", func(client net.Conn) {
			write(client, []byte{0, 1, 0xff, 0xec})
		}, false, 0, ErrFrame},
		{"when the client hangs up", func(client net.Conn) {
			write(client, stunFrame(0))
			_ = client.Close()
		}, false, 0, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				s := NewStream(server, nil, nil)
				s.Hold(func() bool { return c.held })
				var playing sync.WaitGroup
				playing.Go(func() { c.play(client) })
				defer playing.Wait()
				after, err := cut(s)
				if after != c.want || !errors.Is(err, c.err) {
					t.Errorf("cut after %v with %v, want %v with %v", after, err, c.want, c.err)
				}
				if _, err := client.Write([]byte{0}); err == nil {
					t.Error("the connection is still open")
				}
			})
		})
	}
}

// drip sends a byte a second, so that the frame never ends in time.
func drip(frame []byte) func(net.Conn) {
	return func(client net.Conn) {
		for i := range frame {
			if _, err := client.Write(frame[i : i+1]); err != nil {
				return // cut, as it should be
			}
			<-time.After(time.Second)
		}
	}
}

// write ignores the end of the pipe, which is what the tests are about.
func write(client net.Conn, p []byte) { _, _ = client.Write(p) }

func TestStreamIsNotCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		s := NewStream(server, nil, nil)
		go func() { // ends when everything is written
			for range 5 {
				write(client, stunFrame(0)[:7])
				<-time.After(9 * time.Second)
				write(client, stunFrame(0)[7:])
				<-time.After(59 * time.Second)
			}
			_ = client.Close()
		}()
		if after, err := cut(s); after < 5*time.Minute || !errors.Is(err, io.EOF) {
			t.Errorf("frames that take 9 s every 68 s: cut after %v with %v, want after 5 min with EOF", after, err)
		}
	})
}

func TestStreamAwaitKeepsTheFirstFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		s := NewStream(server, nil, nil)
		t.Cleanup(func() { _ = s.Close() })
		go write(client, append(channelFrame(0x4000, 8), stunFrame(4)...)) // ends when it is read
		if err := s.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, MaxFrameBytes)
		for _, want := range [][]byte{channelFrame(0x4000, 8), stunFrame(4)} {
			if n, _, err := s.ReadFrom(p); err != nil || !bytes.Equal(p[:n], want) {
				t.Fatalf("ReadFrom = %x, %v, want %x", p[:n], err, want)
			}
		}
	})
}

func TestStreamDoesNotWaitForASlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := net.Pipe()
		closed := 0
		s := NewStream(server, nil, func() { closed++ })
		begin := time.Now()
		if _, err := s.WriteTo(stunFrame(0), nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("WriteTo = %v, want a deadline", err)
		}
		if after := time.Since(begin); after != WriteTimeout {
			t.Errorf("WriteTo took %v, want %v", after, WriteTimeout)
		}
		if _, _, err := s.ReadFrom(make([]byte, MaxFrameBytes)); err == nil || closed != 1 {
			t.Errorf("after the write: ReadFrom = %v and closed %d times, want an error and once", err, closed)
		}
	})
}
