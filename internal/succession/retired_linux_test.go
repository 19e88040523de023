package succession

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// retiredLine is a line whose process is retired, without another one that could be
// told: what waits for time does so on a fake clock.
func retiredLine(cfg Config, left func() int) (l *Line, ended chan error) {
	l = newLine(cfg, 1)
	l.serving.Store(true)
	l.current = 2
	ended = make(chan error, 4)
	l.end = func(cause error) { ended <- cause }
	l.Bequeath("rooms", Part{Left: left})
	l.running.Go(l.outlive)
	<-l.inbox // watchers are told
	return l, ended
}

func TestARetiredProcessEndsWhenNobodyIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, leaves := time.Now(), 5*time.Hour
		l, ended := retiredLine(Config{RetireTimeout: 12 * time.Hour}, func() int {
			if time.Since(start) < leaves {
				return 2
			}
			return 0
		})
		defer l.Close()
		if cause := <-ended; cause.Error() != "retired, and nobody is left" || time.Since(start) < leaves || time.Since(start) > leaves+2*everyLeft {
			t.Errorf("it ends after %v because %v, want %v and that nobody is left", time.Since(start), cause, leaves)
		}
	})
}

// TestARetiredProcessLooksTwice holds that who is counted by nobody for a moment, on
// the way from one part to another, is not cut.
func TestARetiredProcessLooksTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := []int{1, 0, 1, 0, 0, 0}
		start := time.Now()
		l, ended := retiredLine(Config{}, func() int {
			now := looks[0]
			looks = looks[1:]
			return now
		})
		defer l.Close()
		if cause := <-ended; time.Since(start) != 4*everyLeft {
			t.Errorf("it ends after %v because %v, want %v", time.Since(start), cause, 4*everyLeft)
		}
	})
}

func TestARetiredProcessEndsAtTheLatestAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l, ended := retiredLine(Config{RetireTimeout: 12 * time.Hour}, func() int { return 1 })
		defer l.Close()
		if cause := <-ended; cause.Error() != "retired for too long" || time.Since(start) != 12*time.Hour {
			t.Errorf("it ends after %v because %v, want 12h", time.Since(start), cause)
		}
	})
}

// TestARetiredProcessMayStay holds what a bound of 0 and the first process of a
// container mean.
func TestARetiredProcessMayStay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		left int
	}{
		"without a bound":      {Config{}, 1},
		"first of a container": {Config{Stays: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, ended := retiredLine(c.cfg, func() int { return c.left })
				defer l.Close()
				<-time.After(24 * time.Hour)
				if len(ended) > 0 {
					t.Errorf("after a day it ends because %v", <-ended)
				}
			})
		})
	}
}

// TestALineThatIsNilIsAlone holds that a server that cannot be upgraded needs no
// second look anywhere.
func TestALineThatIsNilIsAlone(t *testing.T) {
	t.Parallel()
	var l *Line
	l.Attend(t.Context(), func(error) {})
	l.On("kind", func(string, []byte) {})
	l.Watch(func([]string) {})
	l.Bequeath("part", Part{})
	l.WhenRetired(func() { t.Error("it is retired") })
	l.Tell("2", "kind", nil)
	l.TellAll("kind", nil)
	if err := l.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	l.Serving()
	if _, there := l.Inherited("part"); there {
		t.Error("it has inherited something")
	}
	if _, there := l.Will("part"); there {
		t.Error("it knows a will")
	}
	if l.Node() != "1" || l.Current() != "1" || l.Elder() != "" || l.Kin() != nil || l.Retired() != nil || l.Left() != nil || l.Stats().Retired != nil {
		t.Error("it is not alone")
	}
	if _, err := l.Upgrade(context.WithoutCancel(t.Context())); !errors.Is(err, ErrUnfit) {
		t.Errorf("Upgrade = %v, want %v", err, ErrUnfit)
	}
	l.Close()
}

// TestProcessesThatHangAreNotWaitedForForLong holds that the time for the end of others
// is one for all of them, however many there are.
func TestProcessesThatHangAreNotWaitedForForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newLine(Config{EndTimeout: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))}, 4)
		l.serving.Store(true)
		for node := 1; node < 4; node++ {
			k := newKin(node, Process{Node: strconv.Itoa(node)}, &link{conn: new(net.UnixConn)}) // nobody closes gone
			k.joined, l.kin[node] = true, k
		}
		start, closed := time.Now(), make(chan struct{})
		go func() {
			defer close(closed)
			l.Close()
		}()
		select {
		case <-closed:
		case <-time.After(time.Hour):
			for _, k := range l.joined() {
				close(k.gone)
			}
			<-closed
		}
		if late := strings.Count(log.String(), "has not ended in time"); time.Since(start) != time.Minute || late != 3 {
			t.Errorf("it ends after %v, and names %d; want 1m and 3", time.Since(start), late)
		}
	})
}

// TestWhoDoesNotReadIsCut holds that a process which hangs costs a bounded queue.
func TestWhoDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	ours, theirs, err := socketpair()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = theirs.Close() }() // nobody has read from it
	link, err := newLink(ours)
	if err != nil {
		t.Fatal(err)
	}
	l := newLine(Config{}, 2)
	l.serving.Store(true)
	gone := make(chan []string, 1)
	l.Watch(func(kin []string) { gone <- kin })
	k := newKin(1, Process{Node: "1"}, link)
	k.joined = true
	l.add(k)
	for range 3 * maxQueued {
		l.Tell("1", "kind", make([]byte, 1000))
	}
	if kin := <-gone; len(kin) != 0 {
		t.Errorf("Kin = %v, want nobody: it was cut", kin)
	}
	if err := k.cause(nil); !errors.Is(err, errFull) {
		t.Errorf("it was cut because %v, want %v", err, errFull)
	}
	l.Close()
}

// TestNobodyServesAnyMore kills the process that serves while it upgrades, and then the
// one that was to take over: who is retired ends, and does so once.
func TestNobodyServesAnyMore(t *testing.T) {
	t.Parallel()
	l := newLine(Config{}, 2)
	l.serving.Store(true)
	l.current = 3
	orphaned, ended := 0, make(chan error, 4)
	l.end = func(cause error) { ended <- cause }
	l.Bequeath("relay", Part{Orphan: func() { orphaned++ }})
	all, others := map[int]*kin{}, map[int]*os.File{}
	for _, node := range []int{1, 3, 4} {
		ours, theirs, err := socketpair()
		if err != nil {
			t.Fatal(err)
		}
		link, err := newLink(ours)
		if err != nil {
			t.Fatal(err)
		}
		all[node], others[node] = newKin(node, Process{Node: strconv.Itoa(node)}, link), theirs
		all[node].joined = node < 4
		l.add(all[node])
	}
	for _, node := range []int{3, 4, 1} {
		_ = others[node].Close()
		<-all[node].gone
	}
	l.Close()
	if orphaned != 1 || len(ended) != 1 {
		t.Errorf("parts are told %d times, and it ends %d times; want once", orphaned, len(ended))
	}
}

// TestUpgradesThatAreRefused holds that nothing is started when there can be no
// upgrade, and that the operator is told why.
func TestUpgradesThatAreRefused(t *testing.T) {
	t.Parallel()
	program := []string{"/no/such/program"}
	for name, c := range map[string]struct {
		line func(l *Line)
		cfg  Config
		want error
	}{
		"of a process that knows no program": {func(*Line) {}, Config{}, ErrUnfit},
		"of one of a fleet":                  {func(*Line) {}, Config{Program: program, Unfit: "it is one of a fleet"}, ErrUnfit},
		"before it serves":                   {func(l *Line) { l.serving.Store(false) }, Config{Program: program}, ErrUnderWay},
		"while there is one":                 {func(l *Line) { l.upgrading.Lock() }, Config{Program: program}, ErrUnderWay},
		"of a retired process":               {func(l *Line) { l.current = 2 }, Config{Program: program}, ErrRetired},
		"with too many retired ones": {func(l *Line) {
			for node := range MaxRetired {
				l.kin[node+1] = newKin(node+1, Process{}, nil)
			}
		}, Config{Program: program}, ErrTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLine(c.cfg, MaxRetired+1)
			l.serving.Store(true)
			c.line(l)
			_, err := l.Upgrade(t.Context())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.cfg.Unfit) || l.Stats().Failed != 0 {
				t.Errorf("Upgrade = %v, want %v", err, c.want)
			}
		})
	}
}

// TestAServerThatEndsIsNotUpgraded holds that who stops a server gets no new process.
func TestAServerThatEndsIsNotUpgraded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Config{Program: []string{"/no/such/program"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		l.Attend(ctx, func(error) {})
		cancel()
		synctest.Wait()
		if _, err := l.Upgrade(t.Context()); !errors.Is(err, errEnds) || l.youngest != 1 {
			t.Errorf("Upgrade = %v, and the youngest process is %d; want %v and 1", err, l.youngest, errEnds)
		}
	})
}

// TestAProgramThatIsNotThere holds that the server goes on when its file has gone.
func TestAProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := Open(Config{Program: []string{"/no/such/program"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.Upgrade(t.Context())
	if failed, is := errors.AsType[*TakeoverError](err); !is || !errors.Is(failed.Why, fs.ErrNotExist) {
		t.Errorf("Upgrade = %v, want that there is no such file", err)
	}
}
