package turnsvc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A server can be taken over by one in another process on the same machine, without
// anybody noticing:
//
//	older                                   newer
//	Estate, the sockets ──────────────────▶ Config.Estate, Listen
//	Will: reads no datagrams any more,
//	      keeps its clients ──────────────▶ Inherit, Serve
//	Retire ◀──────────────────── it serves
//	Resume ◀─────────── or it has not begun, and is gone
//
// The older one keeps its allocations, connections and relays until they end. What its
// clients send by UDP comes in at the newer one, which hands it on by a pair of unix
// sockets (gate.Shared); what it answers leaves by the socket that both have. Listeners
// of TCP are not turnsvc's business: who has opened them (Config.Sockets, Streams) hands
// them over.
//
// It takes Linux.

// A Bequest is what a server leaves to another one.
type Bequest struct {
	Body []byte // a megabyte for 10,000 allocations
	// Files are sockets. Who gives a Bequest closes them when they were passed on; who is
	// given it closes them, too.
	Files []*os.File
}

// Close closes the files.
func (b Bequest) Close() {
	for _, f := range b.Files {
		_ = f.Close() // a duplicate
	}
}

// estateVersion tells bequests of programs that do not understand one another apart.
const estateVersion = 1

// maxInheritedSockets bounds the sockets that are taken over, of one address.
const maxInheritedSockets = 1 << 10

var (
	errEstate    = errors.New("not what this version of the program bequeathes")
	errUnclaimed = errors.New("the older process listens by UDP where the settings do not")
)

// estateBody is the Body of an estate.
type estateBody struct {
	Version int
	UDP     []estateAddr
}

// estateAddr is an address, and how many sockets it has among the files.
type estateAddr struct {
	Address string
	Sockets int
}

// flowsOf is the name of the address of DTLS in an estate.
func flowsOf(address string) string { return "dtls " + address }

// Estate is what another process needs to listen where this one does. It changes
// nothing.
func (s *Server) Estate() (Bequest, error) {
	body := estateBody{Version: estateVersion}
	var b Bequest
	add := func(address string, sockets ...gate.Shared) error {
		body.UDP = append(body.UDP, estateAddr{Address: address, Sockets: len(sockets)})
		for _, socket := range sockets {
			f, err := socket.File()
			if err != nil {
				return fmt.Errorf("pass on a socket of %s: %w", address, err)
			}
			b.Files = append(b.Files, f)
		}
		return nil
	}
	var err error
	for i, sockets := range s.udp {
		err = errors.Join(err, add(s.bound[i], shared(sockets)...))
	}
	if s.flows != nil {
		err = errors.Join(err, add(flowsOf(s.cfg.TLSAddr), s.flows.Socket()))
	}
	if err == nil {
		b.Body, err = json.Marshal(body)
	}
	if err != nil {
		b.Close()
		return Bequest{}, err
	}
	return b, nil
}

func shared(sockets gate.Sockets) (list []gate.Shared) {
	for _, socket := range sockets {
		list = append(list, socket)
	}
	return list
}

// shared are the sockets that clients come to by UDP, in the order of an estate.
func (k *sockets) shared() (list []gate.Shared) {
	for _, sockets := range k.udp {
		list = append(list, shared(sockets)...)
	}
	if k.flows != nil {
		list = append(list, k.flows.Socket())
	}
	return list
}

// estate are sockets that were inherited, until somebody takes them.
type estate []inherited

type inherited struct {
	address string
	conns   []*net.UDPConn
}

// readEstate takes the files of a Bequest, which may be none.
func readEstate(b Bequest) (e estate, err error) {
	defer b.Close()
	if len(b.Body) == 0 {
		return nil, nil
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	var body estateBody
	if err := json.Unmarshal(b.Body, &body); err != nil || body.Version != estateVersion {
		return nil, errors.Join(errEstate, err)
	}
	files := b.Files
	for _, at := range body.UDP {
		if at.Sockets < 1 || at.Sockets > min(maxInheritedSockets, len(files)) {
			return e, errEstate
		}
		e = append(e, inherited{address: at.Address})
		its := &e[len(e)-1]
		for _, f := range files[:at.Sockets] {
			conn, err := net.FilePacketConn(f)
			if err != nil {
				return e, err
			}
			udp, ok := conn.(*net.UDPConn)
			if !ok {
				return e, errors.Join(errEstate, conn.Close())
			}
			its.conns = append(its.conns, udp)
		}
		files = files[at.Sockets:]
	}
	return e, nil
}

// take are the sockets of an address, for once; nil: there are none.
func (e *estate) take(address string) []*net.UDPConn {
	i := slices.IndexFunc(*e, func(at inherited) bool { return at.address == address })
	if i < 0 {
		return nil
	}
	conns := (*e)[i].conns
	*e = slices.Delete(*e, i, i+1)
	return conns
}

// allTaken is an error if clients of the older process come in where nobody would read.
func (e estate) allTaken() error {
	if len(e) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errUnclaimed, e[0].address)
}

// close closes what nobody has taken.
func (e estate) close() {
	for _, at := range e {
		for _, conn := range at.conns {
			_ = conn.Close() // a duplicate
		}
	}
}
