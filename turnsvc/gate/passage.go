package gate

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
)

// When a new process of a server takes over, both have the sockets at which clients
// come in, and one reads. What it reads of a client that the older one keeps it hands
// on, by a passage: a pair of unix sockets of their own for each socket and each older
// process. Answers leave by the older one's own descriptor.
//
//	client ──▶ socket ──▶ heir ──passage──▶ elder
//	   ▲          ▲         ◀────freed──────  │
//	   └──────────┴──────────────────────────-┘
//
// A frame of a passage is one message of it:
//
//	kind 1 | flags 1 | client: port 2, address 16, scope 4 | local: address 16, scope 4 | datagram
const (
	passageHead = 2 + endsBytes
	endsBytes   = 2 + 16 + 4 + 16 + 4
	// maxPassageBytes bounds a frame.
	maxPassageBytes = passageHead + maxDatagramBytes
	// passageBuffer is asked for what may wait in a passage, in bytes of the kernel's
	// memory: some thousand datagrams. What is more is lost, as on the network, and
	// counted.
	passageBuffer = 4 << 20
	// maxInherited bounds the clients that one older process keeps of one socket.
	maxInherited = 1 << 20
)

// The kinds of frames.
const (
	frameDatagram = iota + 1 // heir to elder: a client has sent this
	frameFreed               // elder to heir: the client is not mine
	frameBack                // elder to itself: read the socket again
)

// flagLocal says that the local address is valid.
const flagLocal = 1

// putHead writes the head of a frame.
func putHead(p []byte, kind byte, e ends) {
	p[0], p[1] = kind, 0
	if e.local.IsValid() {
		p[1] = flagLocal
	}
	putEnds(p[2:passageHead], e)
}

func putEnds(p []byte, e ends) {
	binary.BigEndian.PutUint16(p, e.client.Port())
	putAddr(p[2:], e.client.Addr())
	putAddr(p[22:], e.local)
}

func putAddr(p []byte, ip netip.Addr) {
	raw := [16]byte{}
	if ip.IsValid() {
		raw = ip.As16()
	}
	copy(p, raw[:])
	binary.BigEndian.PutUint32(p[16:], scopeOf(ip.Zone()))
}

// readFrame takes a frame apart.
func readFrame(p []byte) (kind byte, e ends, datagram []byte, ok bool) {
	if len(p) < passageHead {
		return 0, e, nil, false
	}
	return p[0], readEnds(p[2:passageHead], p[1]&flagLocal != 0), p[passageHead:], true
}

func readEnds(p []byte, local bool) (e ends) {
	e.client = netip.AddrPortFrom(readAddr(p[2:]), binary.BigEndian.Uint16(p))
	if local {
		e.local = readAddr(p[22:])
	}
	return e
}

func readAddr(p []byte) netip.Addr {
	ip := netip.AddrFrom16([16]byte(p[:16])).Unmap()
	if scope := binary.BigEndian.Uint32(p[16:]); scope != 0 && ip.Is6() {
		return ip.WithZone(strconv.FormatUint(uint64(scope), 10))
	}
	return ip
}

// scopeOf is the number of the interface that a zone names.
func scopeOf(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}

// listEnds writes down clients, and readList reads them.
func listEnds(list []ends) []byte {
	p := make([]byte, 0, len(list)*(1+endsBytes))
	for _, e := range list {
		var head [passageHead]byte
		putHead(head[:], 0, e)
		p = append(p, head[1:]...)
	}
	return p
}

func readList(p []byte) (list []ends, ok bool) {
	if len(p)%(1+endsBytes) != 0 || len(p)/(1+endsBytes) > maxInherited {
		return nil, false
	}
	for ; len(p) > 0; p = p[1+endsBytes:] {
		list = append(list, readEnds(p[1:1+endsBytes], p[0]&flagLocal != 0))
	}
	return list, true
}
