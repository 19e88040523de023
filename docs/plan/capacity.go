package main

import (
	"fmt"
	"math"
)

// vps is a rented server. Its link is what it is sold with; a plan uses a share of it.
type vps struct {
	cores, gb, mbit float64
}

func (s vps) String() string { return fmt.Sprintf("%g × CPU, %g GB", s.cores, s.gb) }

func rented() []vps { return []vps{{1, 1, 1000}, {2, 4, 1000}, {4, 8, 1000}} }

// systemGB is what the system beside the server needs, and a server that nobody uses.
const systemGB = 0.25

// unitDescriptors is LimitNOFILE of configs/wasmp2pchat.service.
const unitDescriptors = 65536

// streams are the connections of TURN that a visitor has: his allocations but one.
const streams = 2

// quarter is what the program gives allocations of its descriptors; WebSockets get
// two, connections of TURN another.
func quarter(descriptors float64) float64 { return math.Floor((descriptors - descriptors/10) / 4) }

// limit is a resource and how many chats it carries on each server.
type limit struct {
	name  string
	chats func(s vps) float64
}

// prepared are the limits of chats whose two hold allocations from the moment that
// they wait until they part, so that each may be relayed.
func prepared(c constants, a assumptions) []limit {
	of := func(allocations float64) func(vps) float64 {
		return func(vps) float64 { return math.Floor(allocations / c.allocations / 2) }
	}
	q := quarter(unitDescriptors)
	return []limit{
		{"`TURN_MAX_ALLOCATIONS=10000`, the default", of(maxAllocations)},
		{"`TURN_RELAY_PORTS=49152-65535`, the default, at one address", of(relayPorts)},
		{"`LimitNOFILE=65536`, as the unit has it", of(min(q, q/streams*c.allocations))},
		{"memory", func(s vps) float64 { return s.hold(c.tlsMemory+c.allocations*c.turnMemory, a) }},
		{"all the ports there are: `TURN_RELAY_PORTS=2048-65535`", of(widePorts)},
	}
}

// direct are the limits of chats that need no relay, and for which there is none.
func direct(c constants, a assumptions) []limit {
	return []limit{
		{"`LimitNOFILE=65536`, as the unit has it", func(vps) float64 { return quarter(unitDescriptors) }}, // two quarters, for two
		{"memory", func(s vps) float64 { return s.hold(c.tlsMemory, a) }},
		{"CPU", func(s vps) float64 { return s.cores * a.headroom / c.pairCPU.Seconds() * a.meeting().Seconds() }},
	}
}

// relayed are the limits of what is relayed, if all chats were.
func relayed(c constants, a assumptions) []limit {
	chat := kinds(c)[0]
	return []limit{
		{"CPU, plane `batch`", func(s vps) float64 { return s.relays(chat, c.relayCPU.Seconds(), a) }},
		{"CPU, plane `ebpf`", func(s vps) float64 { return s.relays(chat, c.kernelCPU.Seconds(), a) }},
		{"link, 1 Gbit/s", func(s vps) float64 { return a.headroom * s.mbit / chat.mbit() }},
	}
}

// hold is how many chats fit into memory, of two who take so many kB each.
func (s vps) hold(kB float64, a assumptions) float64 {
	return (s.gb*a.headroom - systemGB) * 1e6 / kB / 2
}

// relays is how many chats or calls of a kind the cores relay.
func (s vps) relays(t traffic, perPacket float64, a assumptions) float64 {
	return s.cores * a.headroom / (t.packets * perPacket)
}

// mbit is what leaves for one of it.
func (t traffic) mbit() float64 { return (t.bytes + t.packets*headers) * 8 / 1e6 }

// first is the limit that ends first on a server.
func first(s vps, list []limit) (what string, chats float64) {
	chats = math.Inf(1)
	for _, l := range list {
		if n := l.chats(s); n < chats {
			what, chats = l.name, n
		}
	}
	return what, chats
}

// capacity are the tables of docs/capacity.md.
func capacity(c constants, a assumptions) []table {
	return []table{bySize(c, a), byLimit(c, a), byCall(c, a), bySetting(c, a)}
}

// bySize is what ends first on each server.
func bySize(c constants, a assumptions) table {
	t := table{name: "vps", head: []string{
		"server", "chats at once as it comes", "which ends at", "with the settings below", "which ends at",
		fmt.Sprintf("of a core, %s relayed by `batch`", percent(a.relayed)), "if all are relayed", "leaves then",
	}}
	chat := kinds(c)[0]
	for _, s := range rented() {
		all := prepared(c, a)
		why, chats := first(s, all)
		wide, most := first(s, all[3:]) // memory and all ports: the others are settings
		pairing := most / a.meeting().Seconds() * c.pairCPU.Seconds()
		relaying := most * chat.packets * c.relayCPU.Seconds()
		t.rows = append(t.rows, []string{
			s.String(), count(chats), why, count(most), wide,
			percent(pairing + a.relayed*relaying), percent(pairing + relaying), figure(most*chat.mbit()) + " Mbit/s",
		})
	}
	return t
}

// byLimit is how many chats each resource carries, if it were the only one.
func byLimit(c constants, a assumptions) table {
	t := table{name: "limits", head: []string{"chats at once, by each limit alone"}}
	for _, s := range rented() {
		t.head = append(t.head, s.String())
	}
	for _, group := range []struct {
		name string
		list []limit
	}{{"prepared for the relay", prepared(c, a)}, {"direct, without a relay", direct(c, a)}, {"all of them relayed", relayed(c, a)}} {
		for _, l := range group.list {
			row := []string{group.name + ": " + l.name}
			for _, s := range rented() {
				row = append(row, count(l.chats(s)))
			}
			t.rows = append(t.rows, row)
		}
	}
	return t
}

// byCall is what servers relay of calls, which only applications of others have.
func byCall(c constants, a assumptions) table {
	t := table{name: "calls", head: []string{"relayed at once, on half of the CPU: `batch`; `ebpf`"}}
	for _, s := range rented() {
		t.head = append(t.head, s.String())
	}
	t.head = append(t.head, "half of a link of 1 Gbit/s")
	for _, k := range kinds(c) {
		row := []string{k.name}
		for _, s := range rented() {
			row = append(row, count(s.relays(k, c.relayCPU.Seconds(), a))+"; "+count(s.relays(k, c.kernelCPU.Seconds(), a)))
		}
		t.rows = append(t.rows, append(row, count(a.headroom*1000/k.mbit())))
	}
	return t
}

// bySetting is what to write for so many visitors, each with his allocations.
func bySetting(c constants, a assumptions) table {
	t := table{name: "settings", head: []string{
		"visitors at once", "`TURN_MAX_ALLOCATIONS`", "`TURN_RELAY_PORTS`", "`LimitNOFILE`", "memory of the server, GB",
		fmt.Sprintf("leaves, %s relayed", percent(a.relayed)),
	}}
	for _, n := range [...]float64{1000, 3000, 5000, 20_000} {
		ports := "49152-65535"
		if n*c.allocations > relayPorts {
			ports = "2048-65535"
		}
		allocations := max(maxAllocations, n*c.allocations)
		kB := n * (c.tlsMemory + c.allocations*c.turnMemory)
		t.rows = append(t.rows, []string{
			count(n), fmt.Sprintf("%.0f", allocations), ports,
			fmt.Sprintf("%.0f", max(unitDescriptors, math.Ceil(4*allocations/0.9/10_000)*10_000)), fmt.Sprintf("%.2f", systemGB+kB/1e6),
			figure(n/2*a.relayed*kinds(c)[0].mbit()) + " Mbit/s",
		})
	}
	return t
}
