package ebpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

const (
	// maxChannels bounds the maps, which take 120 bytes of the kernel's memory for
	// each channel whether there is one or not, and 500 for one that is bound. It is
	// three channels for each of 10,000 allocations; a browser binds one or two.
	maxChannels = 1 << 15

	// tcxVersion is Linux 6.6, as the kernel writes it. Before it programs hung on a
	// qdisc, clsact, which outlives the process that made it.
	tcxVersion = 6<<16 | 6<<8

	// usualTTL is what the kernel sends with unless told otherwise.
	usualTTL = 64
)

// A plane is the program in the kernel and what it has been told.
type plane struct {
	log    *slog.Logger
	kernel relayObjects
	counts *ebpf.Memory // kernel.Counts, as the program writes it
	router *router
	links  *links
	burst  int // bytes
	failed chan error
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	ended     bool       // nothing is carried any more
	complaint string     // the last one about interfaces
	channels  map[dataplane.Channel]*channel
	within    map[ends]*channel // those with a Partner
	places    places            // in counts
	buckets   allocations
	gone      dataplane.Counts // by channels that are unbound
}

// Open loads the program and attaches it to every network card.
func Open(o dataplane.Options) (dataplane.Plane, error) {
	return open(o, func(f func() error) error { return f() })
}

// open does in the network namespace of the relay, which is where inside runs a
// function, what must be done there.
func open(o dataplane.Options, inside func(func() error) error) (*plane, error) {
	if version, err := features.LinuxVersionCode(); err != nil || version < tcxVersion {
		return nil, errors.Join(errors.New("the kernel is older than Linux 6.6, which has tcx"), err)
	}
	if err := rights(); err != nil {
		return nil, err
	}
	p := &plane{
		log: o.Log, burst: o.BurstBytes, failed: make(chan error, 1),
		channels: map[dataplane.Channel]*channel{}, within: map[ends]*channel{},
	}
	most := min(o.MaxChannels, maxChannels)
	p.places.size, p.buckets.places.size = most, most
	p.buckets.of = map[uint64]*allocation{}
	if err := inside(func() error { return p.start(o, most, inside) }); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *plane) start(o dataplane.Options, most int, inside func(func() error) error) (err error) {
	if err := p.load(uint32(most)); err != nil {
		return err
	}
	if p.counts, err = p.kernel.Counts.Memory(); err != nil {
		return fmt.Errorf("map the counts: %w", err)
	}
	if err := p.configure(o.Bitrate); err != nil {
		return err
	}
	if p.router, err = newRouter(); err != nil {
		return err
	}
	p.links = &links{program: p.kernel.Relay, router: p.router, inside: inside, log: p.log, attached: map[int]*attachment{}}
	if err := p.links.look(); err != nil {
		return err
	}
	changes, err := watchRoutes()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.done.Go(func() { p.watch(ctx, changes) })
	return nil
}

// load makes the maps as large as they need to be, and loads the program.
func (p *plane) load(channels uint32) error {
	spec, err := loadRelay()
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	for name, size := range map[string]uint32{"steps": 2 * channels, "counts": 2 * channels, "buckets": 2 * channels} {
		spec.Maps[name].MaxEntries = max(size, 1)
	}
	if err := spec.LoadAndAssign(&p.kernel, nil); err != nil {
		return fmt.Errorf("load the program: %w", err)
	}
	return nil
}

// Name is ebpf.
func (p *plane) Name() string { return "ebpf" }

// SetBitrate counts for all datagrams from now on.
func (p *plane) SetBitrate(bitsPerSecond int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if err := p.configure(bitsPerSecond); err != nil {
		p.endLocked(err)
	}
}

func (p *plane) configure(bitsPerSecond int64) error {
	set := relaySettings{
		Ttl:      ttl(os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl")),
		HopLimit: ttl(os.ReadFile("/proc/sys/net/ipv6/conf/default/hop_limit")),
	}
	if bitsPerSecond >= 0 {
		set.Bitrate = max(uint64(bitsPerSecond), 1)
		set.Burst = max(uint64(time.Second), uint64(p.burst)*8*uint64(time.Second)/set.Bitrate)
	}
	if err := p.kernel.Configured.Put(uint32(0), set); err != nil {
		return fmt.Errorf("set the bitrate: %w", err)
	}
	return nil
}

// ttl is how many hops the kernel gives what it sends, as its setting has it.
func ttl(setting []byte, err error) uint8 {
	n, faulty := strconv.ParseUint(strings.TrimSpace(string(setting)), 10, 8)
	if err != nil || faulty != nil || n == 0 {
		return usualTTL
	}
	return uint8(n)
}

// Failed gives the error that has ended the plane.
func (p *plane) Failed() <-chan error { return p.failed }

// endLocked carries nothing more, and says why.
func (p *plane) endLocked(err error) {
	if p.ended {
		return
	}
	p.ended = true
	p.failed <- errors.Join(err, p.links.close())
}

// Close detaches the program and unloads it.
func (p *plane) Close() error {
	var errs []error
	if p.links != nil {
		p.mu.Lock()
		p.ended = true
		errs = append(errs, p.links.close())
		p.mu.Unlock()
	}
	if p.stop != nil {
		p.stop()
		p.done.Wait()
	}
	if p.router != nil {
		p.router.close()
	}
	return errors.Join(append(errs, p.kernel.Close())...)
}

// words is an address as the program has it.
func words(ip netip.Addr) (a relayAddress) {
	b := [16]byte{}
	copy(b[:], ip.AsSlice())
	for i := range a.Word {
		a.Word[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return a
}

// wire is a number whose bytes are in network order.
func wire(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// family is 4 or 6.
func family(ip netip.Addr) uint8 {
	if ip.Is4() {
		return 4
	}
	return 6
}
