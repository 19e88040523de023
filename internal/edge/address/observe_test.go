package address

import (
	"net/netip"
	"testing"
	"time"
)

func TestSeveralNetworksAreNeededBeforeVisitorsCount(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	at := addr("203.0.113.5")
	var s sightings
	for i := range 250 { // one liar with many addresses, of one /24 and of one /48
		s.add(at, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), now)
		s.add(at, netip.AddrFrom16([16]byte{0x20, 0x01, 0xd, 0xb8, 0, 1, 0, byte(i)}), now)
	}
	if got := s.count(now); len(got) != 0 {
		t.Fatalf("one liar counts: %v", got)
	}
	s.add(at, addr("192.0.2.1"), now)
	if got := s.count(now); len(got) != 1 || got[0].at != at {
		t.Fatalf("three networks: count() = %v, want %v", got, at)
	}
	if got := s.count(now.Add(visitedFor + 1)); len(got) != 0 {
		t.Errorf("it is not forgotten: %v", got)
	}
}

func TestWhatVisitorsSayTakesLittleMemory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var s sightings
	honest := addr("203.0.113.5")
	for _, from := range addrs("192.0.2.1", "198.51.100.1", "2001:db8::1") {
		s.add(honest, from, now)
	}
	for i := range 10_000 { // invented addresses, from many networks
		now = now.Add(time.Millisecond)
		s.add(netip.AddrFrom4([4]byte{8, 8, byte(i >> 8), byte(i)}), netip.AddrFrom4([4]byte{9, byte(i >> 8), byte(i), 1}), now)
		if len(s.list) > maxVisited {
			t.Fatalf("%d addresses are remembered, want at most %d", len(s.list), maxVisited)
		}
	}
	for _, one := range s.list {
		if len(one.from) > enoughNetworks {
			t.Errorf("%v has %d networks, want at most %d", one.at, len(one.from), enoughNetworks)
		}
	}
	if got := s.count(now); len(got) != 1 || got[0].at != honest {
		t.Errorf("count() = %v, want what three networks said in spite of the flood", got)
	}
}

func TestVisitorsCannotBringUpAddressesThatNoMachineHas(t *testing.T) {
	t.Parallel()
	var s sightings
	for _, at := range []netip.Addr{{}, addr("127.0.0.1"), addr("0.0.0.0"), addr("224.0.0.1"), addr("fe80::1%eth0"), addr("169.254.1.1")} {
		for _, from := range addrs("192.0.2.1", "198.51.100.1", "2001:db8::1") {
			s.add(at, from, time.Unix(1e9, 0))
		}
	}
	s.add(addr("203.0.113.5"), netip.Addr{}, time.Unix(1e9, 0))
	if len(s.list) != 0 {
		t.Errorf("remembered: %v, want nothing", s.list)
	}
}
