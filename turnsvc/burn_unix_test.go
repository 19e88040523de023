//go:build unix

package turnsvc

import (
	"encoding/hex"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestOverflowingFramesBurnNothing holds that a hundred such segments cost no
// processor time worth mentioning: with stock pion the first one costs all of it.
func TestOverflowingFramesBurnNothing(t *testing.T) {
	s := serve(t, nil)
	frame, _ := hex.DecodeString("4000ffff00000000000000000000000000000000")
	for range 100 {
		s.dial(t, "tcp", "stranger").send(frame)
	}
	quiet := s.dial(t, "udp", "ann")
	if err := quiet.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	before := processorTime(t)
	if _, err := quiet.conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read = %v, want the deadline", err)
	}
	if burnt := processorTime(t) - before; burnt > 200*time.Millisecond {
		t.Errorf("the process burnt %v in 300 ms in which nothing happened", burnt)
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
