package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// hopWait is how long a datagram may be on its way through the relay.
	hopWait = 600 * time.Millisecond
	// hops is how often one is sent.
	hops = 4
)

// privatePeers are hosts that no visitor may be led to: the relay's own network,
// the relay's own machine, and the metadata service of clouds.
func privatePeers() []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{10, 0, 0, 1}), netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.AddrFrom4([4]byte{169, 254, 169, 254}),
	}
}

// relaying is what became of two allocations by one way.
type relaying struct {
	endpoint
	track  *track
	dialed dialled
	err    error // why there is no allocation

	relayed [2]netip.AddrPort
	hop     [2]error // from the first to the second, and back; nil: it arrived
	direct  direct
	open    []netip.Addr // private peers that were allowed
	asked   bool         // about private peers
}

// relay allocates twice by one way, as the two members of a room, and has them
// send to each other.
func (x *exam) relay(ctx context.Context, e endpoint, w *watching, members [2][]wire.ICEServer, from netip.Addr) *relaying {
	r := &relaying{endpoint: e, track: &track{watching: w}}
	ctx, cancel := context.WithTimeout(ctx, 2*stepTimeout)
	defer cancel()
	var clients [2]*turnclient.Client
	for i, servers := range members {
		var d dialled
		if d = x.dial(ctx, e); d.err != nil || d.shook != nil {
			r.dialed = d
			return r
		}
		r.dialed.chain = d.chain
		config := turnclient.Config{Transaction: r.track.transaction}
		config.Username, config.Password = credential(servers)
		c := turnclient.New(d.conn, config)
		defer func() { _ = c.Close() }() // it was used
		if r.relayed[i], r.err = allocate(ctx, c, e.at.Addr()); r.err != nil {
			return r
		}
		defer release(ctx, c)
		clients[i] = c
	}
	a, b := clients[0], clients[1]
	if r.err = errors.Join(a.Permit(ctx, r.relayed[1]), b.Permit(ctx, r.relayed[0])); r.err != nil {
		return r
	}
	r.hop[0] = hop(ctx, a, b, r.relayed[1])
	r.hop[1] = hop(ctx, b, a, r.relayed[0])
	r.direct = x.throughFirewall(ctx, a, r.relayed[0], from)
	r.knock(ctx, a, from)
	return r
}

// allocate asks for a relay of the family by which it is asked, if there is one.
func allocate(ctx context.Context, c *turnclient.Client, by netip.Addr) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if by.Is4() {
		return c.Allocate(ctx, 0)
	}
	relayed, err := c.Allocate(ctx, turnclient.IPv6)
	if refused, ok := errors.AsType[*turnclient.RefusedError](err); ok && refused.Code == turnclient.NoSuchFamily {
		return c.Allocate(ctx, 0)
	}
	return relayed, err
}

// release ends an allocation, or the server would keep it for ten minutes.
func release(ctx context.Context, c *turnclient.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hopWait)
	defer cancel()
	_ = c.Release(ctx) // its room ends, too
}

// hop sends from one to the relayed address of the other until it arrives.
func hop(ctx context.Context, from, to *turnclient.Client, relayed netip.AddrPort) error {
	word := rand.Text()
	for range hops {
		if err := from.Send(relayed, []byte(word)); err != nil {
			return err
		}
		if _, err := hears(ctx, to, word); err == nil {
			return nil
		}
	}
	return turnclient.ErrNoAnswer
}

// hears waits for a word, and says from where it came.
func hears(ctx context.Context, c *turnclient.Client, word string) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, hopWait)
	defer cancel()
	for {
		d, err := c.Receive(ctx)
		if err != nil {
			return netip.AddrPort{}, err
		}
		if string(d.Data) == word {
			return d.From, nil
		}
	}
}

// knock asks for permissions that nobody must get. The address that we come from
// is our partner's, that of the relay has his relay: both may be allowed.
func (r *relaying) knock(ctx context.Context, c *turnclient.Client, from netip.Addr) {
	if !r.relayed[0].Addr().Is4() {
		return
	}
	for _, peer := range privatePeers() {
		if peer == from || peer == r.relayed[0].Addr() {
			continue
		}
		switch err := c.Permit(ctx, netip.AddrPortFrom(peer, 9)); {
		case err == nil:
			r.open, r.asked = append(r.open, peer), true
		case isRefusal(err):
			r.asked = true
		}
	}
}

func isRefusal(err error) bool {
	_, refused := errors.AsType[*turnclient.RefusedError](err)
	return refused
}

// relayAll tries all ways at once.
func (x *exam) relayAll(ctx context.Context, list []endpoint, w *watching, members [2][]wire.ICEServer, from netip.Addr) []*relaying {
	found := make([]*relaying, len(list))
	var trying sync.WaitGroup
	for i, e := range list {
		trying.Go(func() { found[i] = x.relay(ctx, e, w, members, from) })
	}
	trying.Wait()
	return found
}

// judgeRelaying is what became of the relay by one way.
func judgeRelaying(r *relaying, w *ways, now time.Time) []Check {
	c := Check{ID: "turn-" + r.url.transport, Subject: r.subject(), Status: OK}
	refused, isRefused := errors.AsType[*turnclient.RefusedError](r.err)
	switch {
	case isRefused:
		c.judgeRefusal(refused, w)
	case r.dialed.err != nil || r.dialed.shook != nil || r.err != nil:
		c.judgeSilence(r.endpoint, r.dialed, r.err, r.track.view(), w)
	default:
		c.Seen = fmt.Sprintf("relayed at %v", r.relayed[0])
	}
	if c.Status == OK && r.url.transport == "tls" {
		if judged := judgeCertificate(r.dialed.chain, r.url.host, w.roots, now); judged.Status != OK {
			c.Status, c.Cause, c.Seen, c.Fix = judged.Status, judged.Cause, judged.Seen, judged.Fix
		}
	}
	list := []Check{c}
	if !r.relayed[1].IsValid() || r.err != nil {
		return list
	}
	return append(list, judgeHops(r, c.Subject))
}

// judgeHops is what became of what the two sent each other.
func judgeHops(r *relaying, subject string) Check {
	c := Check{ID: "relay", Subject: subject, Status: OK, Seen: "from relay to relay, both ways"}
	if r.hop[0] != nil || r.hop[1] != nil {
		c.fail(RelayPortsBlocked, fmt.Sprintf("what one sends to the relay of the other does not arrive (%s; back: %s)", arrived(r.hop[0]), arrived(r.hop[1])),
			"look for a limit that is used up (wasmp2pchat_turn_refused_total), and see the log: journalctl -u wasmp2pchat | grep svc=turn")
	}
	return c
}

func arrived(err error) string {
	if err == nil {
		return "arrived"
	}
	return "lost"
}

// judgeRefusal is what an error answer to Allocate or CreatePermission means.
func (c *Check) judgeRefusal(r *turnclient.RefusedError, w *ways) {
	seen := fmt.Sprintf("%v is refused with %d", r.Method, r.Code)
	switch r.Code {
	case turnclient.Unauthorized:
		if w.clocks {
			c.fail(ClockOff, seen+": the credential is out of its time, by the relay's clock", "sudo timedatectl set-ntp true   (on every node)")
			return
		}
		c.fail(SecretMismatch, seen+": the relay has another secret than who has minted the credential (or its clock is wrong)",
			"the same "+setting+"TURN_SECRETS (or turn-secret in "+setting+"STATE_DIR) on every node, then restart them; and compare their clocks: date -u")
	case turnclient.QuotaReached:
		c.fail(CredentialsRefuse, seen+": a limit is reached", setting+"TURN_MAX_ALLOCATIONS, "+setting+"TURN_MAX_ALLOCATIONS_PER_IP; or too few descriptors: "+descriptorLine)
	case turnclient.NoCapacity:
		c.fail(PortsFew, seen+": no relay port is left, or the monthly budget is spent", setting+"TURN_RELAY_PORTS=49152-65535   (and open them); or "+setting+"TURN_MONTHLY_BUDGET")
	default:
		c.fail(CredentialsRefuse, seen, "journalctl -u wasmp2pchat | grep svc=turn   (at "+setting+"LOG_LEVEL=debug)")
	}
}

// judgePrivate is whether the relay leads where it must not.
func judgePrivate(list []*relaying) Check {
	c := Check{ID: "private-peers", Status: Skip, Seen: "no allocation to try it with"}
	var open []string
	for _, r := range list {
		if r.asked && c.Status == Skip {
			c.Status, c.Seen = OK, "refused: "+join(privatePeers())
		}
		for _, peer := range r.open {
			if !slices.Contains(open, peer.String()) {
				open = append(open, peer.String())
			}
		}
	}
	if len(open) > 0 {
		c.fail(PrivatePeersOpen, "the relay would send to "+strings.Join(open, ", "), setting+"TURN_PEERS=room, and nothing private in "+setting+"TURN_ALLOW_PEERS")
	}
	return c
}
