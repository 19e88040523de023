package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Facts is what a server knows of itself, and tells on its own machine only.
type Facts struct {
	Version     string       `json:"version"`
	Now         time.Time    `json:"now"`
	NotReady    string       `json:"not_ready,omitempty"` // why; empty: it serves
	Warnings    []string     `json:"warnings,omitempty"`
	PublicIPs   []netip.Addr `json:"public_ips"` // that clients are told
	Descriptors Descriptors  `json:"descriptors"`
	Ports       Ports        `json:"ports"`
	Buffers     Buffers      `json:"buffers"`
	DataPlane   DataPlane    `json:"data_plane"`
	URLs        []OwnURL     `json:"urls"`
}

// Descriptors is how many files the process may open, and what that leaves for.
type Descriptors struct {
	Limit       int `json:"limit"`      // 0: not known
	WebSockets  int `json:"websockets"` // 0: nothing bounds them
	Allocations int `json:"allocations"`
	Wanted      int `json:"wanted"` // allocations, by the settings
}

// Ports are those of relayed addresses.
type Ports struct {
	First   uint16 `json:"first"`
	Last    uint16 `json:"last"`
	Taken   int    `json:"taken"`
	Refused uint64 `json:"refused"` // allocations, because none was left
}

// Buffers are the bytes that the kernel gives sockets; 0: not known.
type Buffers struct {
	Wanted  int `json:"wanted"`
	Receive int `json:"receive"`
	Send    int `json:"send"`
}

// DataPlane is what carries datagrams.
type DataPlane struct {
	Asked string `json:"asked"`
	Taken string `json:"taken"`
}

// OwnURL is a URL by which the server has asked itself.
type OwnURL struct {
	URL    string `json:"url"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

// Host is the machine of the server, which doctor runs on.
type Host struct {
	Own     []netip.Addr // of the interfaces, without loopback
	Public  []netip.Addr // that the settings say it has outside
	Listens []Listen     // where the server listens, by its settings
	Proxied bool         // the name may lead to a proxy elsewhere
}

// Listen is a place where the server listens.
type Listen struct {
	Setting string // its name
	Network string // "tcp" or "udp"
	Addr    string
}

const (
	fewDescriptors = 1024 // the default of most systems: a few dozen visitors use them up
	fewAllocations = 1000 // that descriptors are left for
	fewPorts       = 200  // some 30 people who connect at the same moment
)

// own are the addresses of the machine, as it and as the world knows it.
func (h *Host) own(f *Facts) []netip.Addr {
	list := slices.Concat(h.Own, h.Public)
	if f != nil {
		list = append(list, f.PublicIPs...)
	}
	return list
}

// hidden are the addresses that the world knows and no interface has, and by which
// one of the machine each is asked: what a NAT does with what comes from inside
// says nothing about the outside.
func (h *Host) hidden(f *Facts) map[netip.Addr]netip.Addr {
	hidden := map[netip.Addr]netip.Addr{}
	for _, ip := range h.own(f) {
		if slices.Contains(h.Own, ip) || ip.IsLoopback() {
			continue
		}
		hidden[ip] = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if ip.Is6() {
			hidden[ip] = netip.IPv6Loopback()
		}
		for _, own := range h.Own {
			if own.Is4() == ip.Is4() {
				hidden[ip] = own
				break
			}
		}
	}
	return hidden
}

// onHost reports whether this is the machine of the server.
func (x *exam) onHost() bool { return x.cfg.Host != nil }

// errNoFacts says that nobody is to be asked.
var errNoFacts = errors.New("nobody to ask")

// askFacts asks the server what it knows of itself.
func (x *exam) askFacts(ctx context.Context) (*Facts, error) {
	if x.cfg.Facts == nil {
		return nil, errNoFacts
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return x.cfg.Facts(ctx)
}

// examineHost looks at what only the machine itself knows. Answers says that the
// program has answered at its public port.
func (x *exam) examineHost(ctx context.Context, f *Facts, err error, answers bool) {
	switch {
	case f != nil:
		x.sheet.add(judgeFacts(f)...)
	case !errors.Is(err, errNoFacts):
		x.sheet.add(judgeNoFacts(err, answers))
	}
	if x.onHost() && f == nil && !answers {
		x.sheet.add(tryPorts(ctx, x.cfg.Host.Listens)...)
	}
}

func judgeNoFacts(err error, answers bool) Check {
	c := Check{ID: "server", Subject: "ADMIN_ADDR", Status: Warn, Seen: "the server does not say how it is: " + dialText(err)}
	c.Fix = setting + "ADMIN_ADDR=127.0.0.1:9090"
	if !answers {
		c.fail(NotReady, "the server does not run: "+dialText(err), "sudo systemctl start wasmp2pchat; journalctl -u wasmp2pchat   says why it has stopped")
	}
	return c
}

// tryPorts looks why a server that does not run could not start.
func tryPorts(ctx context.Context, list []Listen) (checks []Check) {
	for _, l := range list {
		var lc net.ListenConfig
		var err error
		if l.Network == "udp" {
			var sock net.PacketConn
			if sock, err = lc.ListenPacket(ctx, l.Network, l.Addr); err == nil {
				_ = sock.Close() // it can be had
			}
		} else {
			var sock net.Listener
			if sock, err = lc.Listen(ctx, l.Network, l.Addr); err == nil {
				_ = sock.Close() // it can be had
			}
		}
		if c, bad := judgeListen(l, err); bad {
			checks = append(checks, c)
		}
	}
	return checks
}

func judgeListen(l Listen, err error) (c Check, bad bool) {
	c = Check{ID: "port", Subject: l.Addr + "/" + l.Network}
	_, port, _ := net.SplitHostPort(l.Addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		c.fail(PortTaken, "another program listens there, so the server cannot", fmt.Sprintf("stop it (sudo ss -lnp 'sport = :%s' names it), or set %s%s to another address", port, setting, l.Setting))
	case errors.Is(err, syscall.EACCES):
		c.fail(NotReady, "ports below 1024 are not for this user", "sudo setcap cap_net_bind_service=+ep $(command -v wasmp2pchat)   (or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit)")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		c.fail(NotReady, "this machine has no such address", setting+l.Setting+"=:"+port)
	}
	return c, c.Status == Fail
}

// judgeFacts is what the server says of itself.
func judgeFacts(f *Facts) []Check {
	list := []Check{judgeReady(f)}
	for _, text := range f.Warnings {
		list = append(list, judgeWarning(text))
	}
	for _, u := range f.URLs {
		c := Check{ID: "urls", Subject: u.URL, Status: OK, Seen: "the server reaches itself"}
		switch {
		case !u.OK:
			c.Status, c.Seen = Warn, "visitors are not told of it: "+u.Reason
			c.Fix = "let the machine reach itself there: sudo nft insert rule inet filter input iif lo accept; or correct " + setting + "PUBLIC_IPS"
		case u.Reason != "":
			c.Seen = u.Reason
		}
		list = append(list, c)
	}
	return append(list, judgeDescriptors(f.Descriptors), judgePorts(f.Ports), judgeBuffers(f.Buffers), judgePlane(f.DataPlane))
}

func judgeReady(f *Facts) Check {
	c := Check{ID: "server", Subject: "/readyz", Status: OK, Seen: "ready"}
	if f.NotReady != "" {
		c.fail(NotReady, f.NotReady, "wait a moment; if it stays so: journalctl -u wasmp2pchat")
	}
	return c
}

// secretsDiffer is how the warning of a node begins that does not believe another.
const secretsDiffer = "secrets differ"

// judgeWarning is what /readyz warns of: its text says what mends it.
func judgeWarning(text string) Check {
	c := Check{ID: "server", Subject: "/readyz", Status: Warn, Seen: text, Fix: text}
	if _, fix, found := strings.Cut(text, ": set "); found {
		c.Fix = "set " + fix
	}
	switch {
	case strings.HasPrefix(text, redisDown):
		c.fail(RedisDown, text, mendRedis(text))
	case strings.HasPrefix(text, secretsDiffer):
		c.fail(SecretMismatch, text, "give both nodes the same "+setting+"ROOM_SECRET and "+setting+"TURN_SECRETS, and restart what had others")
	case strings.HasPrefix(text, "DNS of"):
		c.Cause = DNSElsewhere
	case strings.HasPrefix(text, "certificate"):
		c.Cause = TLSExpired
	case strings.Contains(text, "PUBLIC_IPS"):
		c.Cause = WrongPublicIP
	}
	return c
}

func judgeDescriptors(d Descriptors) Check {
	c := Check{ID: "descriptors", Subject: "RLIMIT_NOFILE", Status: OK}
	c.Seen = fmt.Sprintf("%d, which are %d WebSockets and %d allocations", d.Limit, d.WebSockets, d.Allocations)
	switch {
	case d.Limit == 0:
		c.Status, c.Seen = Skip, "not known"
	case d.Limit < fewDescriptors:
		c.fail(DescriptorsFew, c.Seen, descriptorLine)
	case d.Allocations < min(d.Wanted, fewAllocations):
		c.Status, c.Cause, c.Fix = Warn, DescriptorsFew, descriptorLine
	}
	return c
}

func judgePorts(p Ports) Check {
	size := int(p.Last) - int(p.First) + 1
	c := Check{ID: "ports", Subject: fmt.Sprintf("%d-%d/udp", p.First, p.Last), Status: OK, Seen: fmt.Sprintf("%d of %d relay ports are taken", p.Taken, size)}
	switch {
	case p.Refused > 0, 5*p.Taken > 4*size:
		c.Status = Fail
		c.Seen += fmt.Sprintf(", %d allocations were refused for want of one", p.Refused)
	case size < fewPorts:
		c.Status = Warn
	default:
		return c
	}
	c.Cause, c.Fix = PortsFew, setting+"TURN_RELAY_PORTS=49152-65535   and: "+openPort(netip.IPv4Unspecified(), "udp", "49152-65535")
	return c
}

func judgeBuffers(b Buffers) Check {
	c := Check{ID: "buffers", Subject: "net.core.rmem_max, wmem_max", Status: OK}
	c.Seen = fmt.Sprintf("%d kB in, %d kB out", b.Receive>>10, b.Send>>10)
	switch {
	case b.Receive == 0 || b.Send == 0:
		c.Status, c.Seen = Skip, "not known"
	case b.Receive < b.Wanted || b.Send < b.Wanted:
		c.Status, c.Cause = Warn, BuffersSmall
		c.Seen += fmt.Sprintf(", of %d: at 60,000 packets a second some are lost", b.Wanted>>10)
		c.Fix = fmt.Sprintf("sudo sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d   (and the same two lines in /etc/sysctl.d/60-wasmp2pchat.conf; then restart)", b.Wanted, b.Wanted)
	}
	return c
}

func judgePlane(p DataPlane) Check {
	c := Check{ID: "data-plane", Subject: "TURN_DATAPLANE=" + p.Asked, Status: OK, Seen: p.Taken}
	if p.Asked != "auto" && p.Asked != p.Taken {
		c.Status, c.Cause = Warn, DataPlaneFell
		c.Seen = p.Taken + " has taken its place"
		c.Fix = "journalctl -u wasmp2pchat | grep 'data plane'   says why; for ebpf: sudo setcap cap_bpf,cap_net_admin,cap_net_bind_service=+ep $(command -v wasmp2pchat)"
	}
	return c
}

// judgeAddress is whether the name leads to this machine.
func judgeAddress(host string, addrs []netip.Addr, h *Host, f *Facts) Check {
	c := Check{ID: "address", Subject: host, Status: OK, Seen: "leads to this machine"}
	own := h.own(f)
	ours := func(ip netip.Addr) bool { return slices.Contains(own, ip) }
	away := slices.DeleteFunc(slices.Clone(addrs), ours)
	here := slices.DeleteFunc(slices.Clone(own), func(ip netip.Addr) bool { return isInner(ip) })
	switch {
	case len(away) == 0:
	case h.Proxied:
		c.Status, c.Seen = Skip, "a proxy may be there: "+setting+"TRUSTED_PROXIES"
	case len(here) == 0 && !slices.ContainsFunc(own, func(ip netip.Addr) bool { return ip.IsPrivate() }):
		c.Status, c.Seen = Skip, "this machine knows no address of its own that others reach"
	case len(here) == 0 && f == nil:
		c.Status, c.Seen = Skip, "this machine is behind NAT, and the server does not say as what it is known outside"
	default:
		right := here
		if f != nil {
			right = f.PublicIPs
		}
		c.fail(DNSElsewhere, fmt.Sprintf("leads to %s, and this machine is %s", join(away), join(right)),
			fmt.Sprintf("%s instead of %s; if a proxy is there, name it in %sTRUSTED_PROXIES", records(host, oneOfEach(right)), join(away), setting))
	}
	return c
}
