package succession

import (
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestWhoEndsIsWaitedFor holds that the wait for a process is over neither before it
// has exited nor after its time, and that nobody is waited for who is none.
func TestWhoEndsIsWaitedFor(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat") // until its input ends
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	late := make(chan struct{})
	close(late)
	awaitExit(pid, late)
	exited := func() bool {
		var status syscall.WaitStatus
		found, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		return err == nil && found == pid
	}
	if exited() {
		t.Fatal("it has exited before its input ended")
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		awaitExit(pid, nil)
	}()
	select {
	case <-over:
		t.Fatal("the wait is over, and the process runs")
	default: // it may not have begun, which is as good
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	<-over
	if !exited() {
		t.Error("the wait is over, and the process is there")
	}
	awaitExit(pid, nil)
}

// TestTheLeadingProcessExitsLast holds that Close waits for a process whose connection
// has ended, and no longer than it may.
func TestTheLeadingProcessExitsLast(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, within := range []time.Duration{100 * time.Millisecond, time.Hour} {
		l := newLine(Config{EndTimeout: within}, 2)
		l.serving.Store(true)
		k := newKin(1, Process{Node: "1", PID: cmd.Process.Pid}, &link{conn: new(net.UnixConn)})
		k.joined = true
		l.leave(event{from: k})
		start := time.Now()
		if within == time.Hour {
			if err := input.Close(); err != nil {
				t.Error(err)
			}
		}
		l.Close()
		if took := time.Since(start); within < time.Hour && took < within {
			t.Errorf("Close has waited for %v, want %v: the other process runs", took, within)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestAnEndThatTheWriterSeesIsNoCut holds that a process that ends by itself is not
// told of as one that was cut, whoever of writer and reader sees the end first.
func TestAnEndThatTheWriterSeesIsNoCut(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(k *kin){
		"the other one has ended":  func(k *kin) { k.write() },
		"everything has been said": func(k *kin) { k.finish(time.Minute); k.write() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, theirs, err := socketpair()
			if err != nil {
				t.Fatal(err)
			}
			link, err := newLink(ours)
			if err != nil {
				t.Fatal(err)
			}
			if err := theirs.Close(); err != nil {
				t.Fatal(err)
			}
			k := newKin(2, Process{Node: "2"}, link)
			if k.send(packet{is: packetTell, name: "news"}); name == "everything has been said" {
				k.next()
			}
			end(k)
			k.read(func(e event) bool {
				if e.err == nil || !lost(k.cause(e.err)) {
					t.Errorf("the connection has ended with %v, because of %v; want one who has ended", e.err, k.cause(e.err))
				}
				return true
			})
		})
	}
}
