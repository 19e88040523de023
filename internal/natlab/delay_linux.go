package natlab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A queue of one direction of a delay line: what comes when it is full is
// dropped, as a router does. At 40 ms it holds a flow of 1 Gbit/s.
const maxDelayed = 4096 // frames

// maxFrameBytes is the largest frame of a link whose segments are not merged,
// after the virtio_net_hdr that the kernel puts before it.
const maxFrameBytes = 10 + 64<<10

// delaySetup puts a second cable between a router's and the bridge: dN is the
// new end that frames are copied to and from. The kernel itself must leave both
// alone. It takes the number of the side.
const delaySetup = `
link set wan%[1]d nomaster arp off
link add d%[1]d gso_max_segs 1 type veth peer name e%[1]d gso_max_segs 1
link set d%[1]d addrgenmode none
link set d%[1]d up arp off
link set e%[1]d up master br0`

// undelaySetup undoes it.
const undelaySetup = `
link del d%[1]d
link set wan%[1]d arp on
link set wan%[1]d master br0`

// pace is how a delay line carries frames; zero is that of a cable.
type pace struct {
	oneWay  time.Duration
	spread  time.Duration // that a frame takes more or less, at most
	late    time.Duration // that some take longer
	percent int           // how many those are, of a hundred
}

// SetDelay makes everything between the router of a side and the world take
// longer by oneWay, each way; 0 ends it. No packet overtakes another one, unless
// SetReorder says so. The kernel need not have netem: this process copies the frames.
func (l *Lab) SetDelay(ctx context.Context, side Side, oneWay time.Duration) error {
	if oneWay < 0 {
		return fmt.Errorf("delay of %v: want 0 or more", oneWay)
	}
	p := l.pace[side]
	p.oneWay = oneWay
	p.spread = min(p.spread, oneWay)
	if err := l.setPace(ctx, side, p); err != nil {
		return fmt.Errorf("delay side %v by %v: %w", side, oneWay, err)
	}
	return nil
}

// SetJitter has what SetDelay delays vary by at most spread, each packet by an
// amount of its own: at 40 ms and 5 ms a packet takes 35 to 45 ms. It never
// overtakes another one: who comes too soon waits for the one before. 0 ends it,
// and so does the end of the delay.
func (l *Lab) SetJitter(ctx context.Context, side Side, spread time.Duration) error {
	p := l.pace[side]
	if spread < 0 || spread > p.oneWay {
		return fmt.Errorf("jitter of %v on side %v: want 0 to the delay of %v", spread, side, p.oneWay)
	}
	p.spread = spread
	if err := l.setPace(ctx, side, p); err != nil {
		return fmt.Errorf("jitter of %v on side %v: %w", spread, side, err)
	}
	return nil
}

// SetReorder makes percent of what passes between the router of a side and the
// world take longer than the rest by late, each way, so that what was sent after it
// arrives before it; 0 ends it. Nothing is lost.
func (l *Lab) SetReorder(ctx context.Context, side Side, percent int, late time.Duration) error {
	if percent < 0 || percent > 100 || late < 0 {
		return fmt.Errorf("%d %% late by %v: want 0 to 100, and 0 or more", percent, late)
	}
	p := l.pace[side]
	p.percent, p.late = percent, late
	if percent == 0 || late == 0 {
		p.percent, p.late = 0, 0
	}
	if err := l.setPace(ctx, side, p); err != nil {
		return fmt.Errorf("reorder %d %% of side %v: %w", percent, side, err)
	}
	return nil
}

// setPace puts a delay line in, changes how it carries, or takes it out.
func (l *Lab) setPace(ctx context.Context, side Side, p pace) error {
	line := l.delay[side]
	l.pace[side] = p
	switch {
	case line != nil && p == (pace{}):
		l.delay[side] = nil
		if err := errors.Join(line.close(), l.bridge.ip(ctx, fmt.Sprintf(undelaySetup, side.number()))); err != nil {
			return err
		}
		return settle(ctx, l.bridge)
	case line != nil:
		line.pace.Store(&p)
		return nil
	case p == (pace{}):
		return nil
	}
	if err := l.bridge.ip(ctx, fmt.Sprintf(delaySetup, side.number())); err != nil {
		return err
	}
	if err := settle(ctx, l.bridge); err != nil {
		return err
	}
	line, err := inside(l.bridge, func() (*delayLine, error) {
		return newDelayLine(fmt.Sprintf("wan%d", side.number()), fmt.Sprintf("d%d", side.number()), p)
	})
	l.delay[side] = line
	return err
}

// delayLine copies frames between two links, both ways, each a while after it
// came.
type delayLine struct {
	pace   atomic.Pointer[pace]
	links  [2]*os.File
	done   chan struct{} // closed when it shall end
	copies sync.WaitGroup
}

// delayed is a frame and when it shall go on.
type delayed struct {
	frame []byte
	due   time.Time
}

// newDelayLine starts a delay line between two links of the namespace that the
// thread is in.
func newDelayLine(one, other string, p pace) (*delayLine, error) {
	line := &delayLine{done: make(chan struct{})}
	line.pace.Store(&p)
	for i, name := range []string{one, other} {
		link, err := tap(name)
		if err != nil {
			if i > 0 {
				_ = line.links[0].Close()
			}
			return nil, err
		}
		line.links[i] = link
	}
	for i, from := range line.links {
		prompt, late, to := make(chan delayed, maxDelayed), make(chan delayed, maxDelayed), line.links[1-i]
		line.copies.Go(func() { line.take(from, prompt, late) })
		line.copies.Go(func() { line.give(to, prompt) })
		line.copies.Go(func() { line.give(to, late) })
	}
	return line, nil
}

// close ends the delay line; what is under way is lost.
func (line *delayLine) close() error {
	close(line.done)
	err := errors.Join(line.links[0].Close(), line.links[1].Close())
	line.copies.Wait()
	return err
}

// take queues what comes on a link until that is closed.
func (line *delayLine) take(from io.Reader, prompt, late chan<- delayed) {
	defer close(prompt)
	defer close(late)
	buf := make([]byte, maxFrameBytes)
	for {
		n, err := from.Read(buf)
		switch {
		case err == nil:
		case errors.Is(err, unix.ENETDOWN): // told once for each time that the link goes down
			continue
		default:
			return
		}
		queue, pace := prompt, line.pace.Load()
		due := time.Now().Add(pace.time())
		if rand.N(100) < pace.percent {
			queue, due = late, due.Add(pace.late)
		}
		select {
		case queue <- delayed{append([]byte(nil), buf[:n]...), due}:
		default: // full: dropped
		}
	}
}

// time is how long the next frame takes. The one before it may take longer, and
// is sent first all the same: they leave in order.
func (p *pace) time() time.Duration {
	if p.spread == 0 {
		return p.oneWay
	}
	return p.oneWay + rand.N(2*p.spread+1) - p.spread
}

// give sends on what is queued, when its time has come.
func (line *delayLine) give(to io.Writer, queue <-chan delayed) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for next := range queue {
		timer.Reset(time.Until(next.due))
		select {
		case <-timer.C:
			_, _ = to.Write(next.frame) // a link that is down or full loses frames
		case <-line.done:
			return
		}
	}
}

// tap opens a link of the namespace that the thread is in for raw frames: those
// that arrive on it are read, those that are written leave by it. Each has a
// virtio_net_hdr before it, in which the kernel says which checksums it has left
// to the hardware, and reads it again: so no link has to be told to compute them.
func tap(name string) (*os.File, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s for raw frames: %w", name, err)
	}
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff}) // in network order
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{Ifindex: int32(link.Index), Type: unix.PACKET_MR_PROMISC}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}))
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open %s for raw frames: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
