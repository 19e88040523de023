package turnsvc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// TestOverflowingFrames sends the one segment with which a stranger makes stock
// pion v4.1.4 spin a core for ever: its uint16 wraps around to a frame of 0
// bytes, which it reads again and again. Stock pion never closes the connection,
// so there the read below runs into its deadline.
func TestOverflowingFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, frame string }{
		{"STUN length 0xFFEC", "0001ffec2112a442000000000000000000000000"},
		{"ChannelData length 0xFFFC", "4000fffc00000000000000000000000000000000"},
		{"ChannelData length 0xFFFD", "4000fffd00000000000000000000000000000000"},
		{"ChannelData length 0xFFFE", "4000fffe00000000000000000000000000000000"},
		{"ChannelData length 0xFFFF", "4000ffff00000000000000000000000000000000"},
		{"a frame longer than MaxFrameBytes", "000106302112a442000000000000000000000000"},
		{"an HTTP request", hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n"))},
		{"a TLS ClientHello", "16030100f8010000f40303000000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			frame, err := hex.DecodeString(c.frame)
			if err != nil {
				t.Fatal(err)
			}
			for _, before := range [][]byte{nil, channelData("as a second frame")} {
				cl := s.dial(t, "tcp", "stranger")
				cl.send(bytes.Join([][]byte{before, frame}, nil))
				if _, err := cl.read(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the connection answers %v, want it closed", err)
				}
			}
			s.stopped(t) // fails if a reader has not ended
			if n := s.Stats().RefusedFrames; n != 2 {
				t.Errorf("RefusedFrames = %d, want 2", n)
			}
		})
	}
}

func TestStreamsOverTheLimitAreClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.MaxPerAddr = 1 }) // two connections an address
	s.dial(t, "tcp", "ann").mustAllocate()
	s.dial(t, "tcp", "bob").allocate()
	if _, err := s.dial(t, "tcp", "eve").read(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the third connection reads %v, want it closed", err)
	}
}

// TestConnectionsLeaveNothingBehind holds that a connection that ends takes
// everything with it that was opened for it.
func TestConnectionsLeaveNothingBehind(t *testing.T) {
	s := serve(t, nil)
	c := s.dial(t, "udp", "ann")
	c.raw(stun.MethodBinding)
	s.dial(t, "tcp", "cat").raw(stun.MethodBinding) // by now each UDP socket has its reader
	before := runtime.NumGoroutine()
	for i := range 50 {
		stream := s.dial(t, "tcp", "bob")
		if stream.raw(stun.MethodBinding); i%10 == 0 {
			stream.mustAllocate()
		}
		_ = stream.conn.Close()
	}
	for deadline := time.Now().Add(patience); ; {
		c.do(stun.MethodRefresh) // 437; its round trip is the pause
		now := runtime.NumGoroutine()
		if now <= before && s.Stats().Allocations == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before 50 connections %d; %d allocations", now, before, s.Stats().Allocations)
		}
	}
}
