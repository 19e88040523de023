//go:build soak && amd64

package e2e

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clock is the wall clock of one process, which can be set without any other clock
// being set. The kernel has no such thing (a time namespace has another monotonic
// clock, and no other CLOCK_REALTIME), and a static program asks no library that
// could lie to it. It asks the vDSO, a page of code that the kernel maps into each
// process: the process's own copy of it is written over with a few instructions that
// ask the kernel and add seconds to CLOCK_REALTIME alone. Timers, which count
// CLOCK_MONOTONIC, go on as they do when an operator sets the clock.
type clock struct {
	pid      int
	at       int64  // where the process has its __vdso_clock_gettime
	original []byte // the instructions there
}

// vdsoMap is the line of /proc/PID/maps.
var vdsoMap = regexp.MustCompile(`(?m)^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$`)

// stepped is __vdso_clock_gettime(clock edi, *timespec rsi), the seconds to add
// behind it.
//
//	mov  eax, 228           ; clock_gettime
//	syscall
//	test edi, edi           ; CLOCK_REALTIME is 0
//	jnz  over
//	add  qword [rsi], …     ; tv_sec
//	over: ret
const stepped = "\xb8\xe4\x00\x00\x00\x0f\x05\x85\xff\x75\x07\x48\x81\x06"

const (
	steppedBytes = 19 // with the seconds, and ret
	ret          = 0xc3

	stepTries = 1000 // a millisecond between two
)

// openClock finds the clock of a process.
func openClock(pid int) (*clock, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	found := vdsoMap.FindStringSubmatch(string(maps))
	if found == nil {
		return nil, errors.New("the process has no vDSO")
	}
	from, err := strconv.ParseInt(found[1], 16, 64)
	to, err2 := strconv.ParseInt(found[2], 16, 64)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	c := &clock{pid: pid}
	image, err := c.read(from, int(to-from))
	if err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" && s.Size >= steppedBytes {
			c.at = from + int64(s.Value)
			c.original, err = c.read(c.at, steppedBytes)
			return c, err
		}
	}
	return nil, errors.New("the vDSO has no clock_gettime that is long enough")
}

func (c *clock) read(at int64, n int) ([]byte, error) {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = memory.Close() }() // nothing was written
	b := make([]byte, n)
	_, err = memory.ReadAt(b, at)
	return b, err
}

// step sets the clock so far from what it is for everybody else; 0 sets it right.
func (c *clock) step(by time.Duration) error {
	code := c.original
	if by != 0 {
		code = []byte(stepped)
		code = binary.LittleEndian.AppendUint32(code, uint32(int32(by/time.Second)))
		code = append(code, ret)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", c.pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for range stepTries {
		free, err := c.paused(func() error {
			_, err := memory.WriteAt(code, c.at)
			return err
		})
		if free || err != nil {
			return errors.Join(err, memory.Close())
		}
		<-again.C
	}
	return errors.Join(errors.New("the process does not stop, or a thread is always about to read the clock"), memory.Close())
}

// paused stops the process, calls f if all threads have stopped and none is within
// what f writes over, and lets the process go on.
func (c *clock) paused(f func() error) (free bool, err error) {
	if err := syscall.Kill(c.pid, syscall.SIGSTOP); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, syscall.Kill(c.pid, syscall.SIGCONT)) }()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.pid))
	if err != nil {
		return false, err
	}
	for _, thread := range threads {
		counter, err := c.counter(thread.Name())
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH): // it has ended
		case err != nil:
			return false, err
		case counter == 0, counter >= c.at && counter < c.at+steppedBytes:
			return false, nil
		}
	}
	return true, f()
}

// counter is the program counter of a thread that is stopped; 0: it runs yet.
func (c *clock) counter(thread string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", c.pid, thread))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	last := fields[len(fields)-1]
	if last == "running" {
		return 0, nil
	}
	return strconv.ParseInt(strings.TrimPrefix(last, "0x"), 16, 64)
}
