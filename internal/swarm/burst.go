package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// connectWithin is how long one wave of the burst may connect: servers close
// a connection that says nothing for 5 s.
const connectWithin = 2 * time.Second

// askWithin is how long one wave may take to ask, if not all ask at once: for the
// same reason.
const askWithin = 2 * time.Second

// seeker is one who wants a partner.
type seeker struct {
	ws      *conn
	request []byte
	asked   atomic.Int64 // when, in nanoseconds since the crowd was born
	room    string       // of the MATCH; empty: none came
}

// matchAll is the scenario match: in as few waves as the server's accepting
// allows, everybody connects and then all ask at once.
func (c *crowd) matchAll(ctx context.Context) {
	most := c.cfg.Peers
	if c.cfg.PerSecond > 0 {
		most = max(2, int(askWithin.Seconds()*float64(c.cfg.PerSecond))&^1)
	}
	for left := c.cfg.Peers; left > 0 && ctx.Err() == nil; {
		wave := c.connectWave(ctx, min(left, most))
		if len(wave) == 0 {
			return
		}
		left -= len(wave)
		c.burst(ctx, wave, c.measure, true)
	}
}

// connectWave opens up to n connections to /matchmaking, an even number.
func (c *crowd) connectWave(ctx context.Context, n int) []*seeker {
	c.enter("connecting")
	seekers := make([]*seeker, n)
	until := time.Now().Add(connectWithin)
	c.inParallel(ctx, connectors, n, func(i int) bool {
		seekers[i] = c.seeker(ctx, c.targets[i%len(c.targets)])
		return time.Now().Before(until)
	})
	wave := seekers[:0]
	for _, s := range seekers {
		if s != nil {
			wave = append(wave, s)
		}
	}
	if len(wave)%2 != 0 {
		wave[len(wave)-1].ws.close() // nobody would be left for it
		wave = wave[:len(wave)-1]
	}
	return wave
}

// inParallel calls f for 0 to n-1 from several goroutines, and returns when all
// have returned; none is called any more when one says so, or with ctx.
func (c *crowd) inParallel(ctx context.Context, width, n int, f func(i int) bool) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(width, n) {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if !f(i) {
					next.Store(int64(n))
				}
			}
		})
	}
	running.Wait()
}

// seeker connects one who wants a partner; nil if that fails.
func (c *crowd) seeker(ctx context.Context, t *target) *seeker {
	ws := c.connect(ctx, t, t.matchmaking)
	if ws == nil {
		return nil
	}
	now := time.Now()
	text := fmt.Appendf(nil, `{"user_id":"load-%x-%d","created_at":%q}`, c.born.UnixNano(), c.asked.Add(1), now.UTC().Format(time.RFC3339Nano))
	return &seeker{ws: ws, request: c.mask.frame(opText, text)}
}

// connect is dial, measured; nil and a fault if it fails.
func (c *crowd) connect(ctx context.Context, t *target, request []byte) *conn {
	began := time.Now()
	ws, err := c.dial(ctx, t, request)
	if err != nil {
		c.fault(ctx, "could not connect", err)
		return nil
	}
	c.connecting.Observe(time.Since(began))
	c.opened.Add(1)
	return ws
}

// burst lets a wave ask at once, and leave when the last was answered. Around
// the asking it calls measure. It returns the rooms, each with two members.
func (c *crowd) burst(ctx context.Context, wave []*seeker, measure func(func()), counts bool) []string {
	var listening, answered, running sync.WaitGroup
	leave := make(chan struct{})
	listening.Add(len(wave))
	answered.Add(len(wave))
	for _, s := range wave {
		running.Go(func() {
			listening.Done()
			c.seek(ctx, s, counts)
			answered.Done()
			<-leave
			if again := s.ws.leave(isMatch); again != nil {
				c.fault(ctx, "matched twice", nil)
			}
		})
	}
	listening.Wait()
	c.enter("asking")
	measure(func() {
		if c.cfg.PerSecond > 0 {
			c.askEvenly(ctx, wave)
		} else {
			c.askAtOnce(wave)
		}
		answered.Wait()
	})
	c.enter("leaving")
	close(leave)
	running.Wait()
	return c.judge(ctx, wave)
}

func (c *crowd) askAtOnce(wave []*seeker) {
	for i, s := range wave {
		c.ask(s)
		if i%32 == 31 {
			runtime.Gosched() // the readers want to note when their answers came
		}
	}
}

// askEvenly lets so many ask a second, each millisecond those whose turn it is.
func (c *crowd) askEvenly(ctx context.Context, wave []*seeker) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for next := 0; next < len(wave); {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := min(len(wave), 1+int(time.Since(began).Seconds()*float64(c.cfg.PerSecond)))
		for ; next < due; next++ {
			c.ask(wave[next])
		}
	}
}

func (c *crowd) ask(s *seeker) {
	s.asked.Store(int64(time.Since(c.born)))
	_ = s.ws.send(s.request) // its reader learns of an end by itself
}

func isMatch(message []byte) bool { return bytes.Equal(field(message, `"type"`), []byte("MATCH")) }

// seek waits for the MATCH.
func (c *crowd) seek(ctx context.Context, s *seeker, counts bool) {
	for {
		message, err := s.ws.next()
		if err != nil {
			c.fault(ctx, "cut while it waited for a partner", err)
			return
		}
		switch kind := string(field(message, `"type"`)); kind {
		case "MATCH":
			if counts {
				c.latency.Observe(s.ws.arrived.Sub(c.born) - time.Duration(s.asked.Load()))
			}
			s.room = string(field(message, `"room_id"`))
			return
		case "ERROR":
			c.fault(ctx, "", &RefusedError{Reason: printable(string(field(message, `"reason"`)))})
			return
		case "TIMEOUT":
			return
		}
	}
}

// judge looks at who was matched with whom: every room must have two members.
// It returns the rooms.
func (c *crowd) judge(ctx context.Context, wave []*seeker) []string {
	members := map[string]int{}
	for _, s := range wave {
		members[s.room]++
	}
	rooms := make([]string, 0, len(members))
	for room, n := range members {
		switch {
		case room != "" && n == 2:
			rooms = append(rooms, room)
			c.done.Add(1)
		case cutShort(ctx):
			// Some answers did not come any more.
		case room == "":
			c.tally.faults("left over: no partner came", n)
		case n == 1:
			c.tally.fault("matched with nobody, or with himself")
		default:
			c.tally.fault(fmt.Sprintf("a room of %d", n))
		}
	}
	return rooms
}

// cutShort tells whether the run has ended because of time or its caller: then
// what is missing might still have come.
func cutShort(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errStalled)
}
