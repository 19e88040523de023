//go:build browser || proxies

package e2e

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// terminal is a running chat command and what it prints.
type terminal struct {
	t     *testing.T
	stdin io.WriteCloser
	lines chan string // closed when the command has ended
	past  []string    // lines that were waited for, or passed over
}

// openTerminal runs the chat command.
func openTerminal(t *testing.T, on machine, args ...string) *terminal {
	t.Helper()
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := on.Command(life, serverBinary(t), append([]string{"chat"}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	output, printed := io.Pipe()
	cmd.Stdout, cmd.Stderr = printed, printed
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, stdin: stdin, lines: make(chan string, 1000)}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the command
		_ = cmd.Wait() // how it ends is up to the test
		_ = printed.Close()
	}()
	go func() { // ends with the command
		defer close(term.lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			term.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		stop()
		for line := range term.lines {
			term.past = append(term.past, line)
		}
		if t.Failed() {
			t.Logf("the terminal printed:\n%s", strings.Join(term.past, "\n"))
		}
	})
	return term
}

// say types a line.
func (term *terminal) say(text string) {
	term.t.Helper()
	if _, err := io.WriteString(term.stdin, text+"\n"); err != nil {
		term.t.Fatalf("type %q: %v", text, err)
	}
}

// leaves ends the chat, as somebody does who types ^D.
func (term *terminal) leaves() {
	term.t.Helper()
	if err := term.stdin.Close(); err != nil {
		term.t.Fatal(err)
	}
}

// prints waits for a line that holds a text.
func (term *terminal) prints(text string) {
	term.t.Helper()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		select {
		case line, ok := <-term.lines:
			if !ok {
				term.t.Fatalf("the terminal ended before it printed %q", text)
			}
			term.past = append(term.past, line)
			if strings.Contains(line, text) {
				return
			}
		case <-enough.C:
			term.t.Fatalf("the terminal did not print %q", text)
		}
	}
}
