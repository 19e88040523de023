package ebpf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

const (
	// checkInterval is how often it is checked that the program is attached.
	checkInterval = time.Second
	// lookPause is kept between two looks at interfaces and routes, which may change
	// by the thousand at once.
	lookPause = 200 * time.Millisecond
	// lookInterval is for changes that the kernel did not tell of.
	lookInterval = 15 * time.Second
)

// links are where the program is attached: to every network card (Ethernet, and
// what looks like it) that has an address of its own. On the loopback nothing is
// carried: it is as quick as it can be.
type links struct {
	program *ebpf.Program
	router  *router
	inside  func(func() error) error
	log     *slog.Logger

	attached map[int]*attachment // by the index of the interface
}

type attachment struct {
	name string
	link.Link
}

// look attaches the program where it is not yet, and forgets where it was.
func (l *links) look() error {
	devices, err := l.router.LinkList()
	if err != nil {
		return fmt.Errorf("list the interfaces: %w", err)
	}
	addresses, err := l.router.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list the addresses: %w", err)
	}
	global := map[int]bool{}
	for _, a := range addresses {
		global[a.LinkIndex] = global[a.LinkIndex] || a.IP.IsGlobalUnicast()
	}
	cards, there := map[int]int{}, map[int]bool{}
	for _, device := range devices {
		attrs := device.Attrs()
		there[attrs.Index] = true
		if attrs.EncapType != "ether" || attrs.Flags&net.FlagUp == 0 {
			continue
		}
		cards[attrs.Index] = attrs.MTU
		if global[attrs.Index] && l.attached[attrs.Index] == nil {
			err = errors.Join(err, l.attach(attrs.Index, attrs.Name))
		}
	}
	l.router.setCards(cards)
	for index, a := range l.attached {
		if !there[index] {
			err = errors.Join(err, a.Close())
			delete(l.attached, index)
		}
	}
	return err
}

// attach puts the program behind those of others.
func (l *links) attach(index int, name string) error {
	return l.inside(func() error {
		made, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: l.program, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return fmt.Errorf("attach to %s: %w", name, err)
		}
		l.attached[index] = &attachment{name: name, Link: made}
		l.log.Debug("turn data plane attached", "interface", name)
		return nil
	})
}

// check returns an error if somebody has detached the program from an interface
// that is still there.
func (l *links) check() error {
	for index, a := range l.attached {
		info, err := a.Info()
		if err != nil {
			return fmt.Errorf("look at %s: %w", a.name, err)
		}
		if tcx := info.TCX(); tcx != nil && tcx.Ifindex == uint32(index) {
			continue
		}
		if _, err := l.router.LinkByIndex(index); err == nil {
			return fmt.Errorf("the program was detached from %s", a.name)
		}
	}
	return nil
}

// close detaches the program.
func (l *links) close() (err error) {
	for _, a := range l.attached {
		err = errors.Join(err, a.Close())
	}
	clear(l.attached)
	return err
}

// watch follows the changes of interfaces and routes until ctx ends.
func (p *plane) watch(ctx context.Context, changes *routeWatch) {
	defer changes.close()
	tick, anyway := time.NewTicker(checkInterval), time.NewTicker(lookInterval)
	defer tick.Stop()
	defer anyway.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	var rested <-chan time.Time
	changed := changes.changed
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.check()
		case <-anyway.C:
			p.look()
		case <-changed: // the first one is acted on at once, the others wait
			p.look()
			changed, rested = nil, pause.C
			pause.Reset(lookPause)
		case <-rested:
			changed, rested = changes.changed, nil
		}
	}
}

func (p *plane) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if err := p.links.check(); err != nil {
		p.endLocked(err)
	}
}

// look leads every channel anew.
func (p *plane) look() {
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return
	}
	p.complain(p.links.look())
	bound := make([]*channel, 0, len(p.channels))
	for _, c := range p.channels {
		bound = append(bound, c)
	}
	p.mu.Unlock()
	for _, c := range bound {
		p.leadAgain(c)
	}
}

// complain logs what is wrong with the interfaces, but not again and again.
func (p *plane) complain(err error) {
	if err == nil {
		p.complaint = ""
		return
	}
	if text := err.Error(); text != p.complaint {
		p.complaint = text
		p.log.Warn("turn data plane does not reach every interface", "err", err)
	}
}

func (p *plane) leadAgain(c *channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.channels[c.Channel] != c {
		return
	}
	if err := p.lead(c); err != nil {
		p.endLocked(err)
	}
}
