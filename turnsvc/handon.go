package turnsvc

import (
	"maps"
	"net"
	"net/netip"
	"slices"
)

// handOn hands a message on if an older process keeps its client.
func (d *door) handOn(message []byte, from net.Addr) bool {
	return d.udp != nil && d.udp.HandOn(message, from)
}

// freed is when a client holds nothing more here: another process may serve it.
func (d *door) freed(client netip.AddrPort) {
	if d.udp != nil {
		d.udp.Freed(client)
	}
}

// clients are those that hold an allocation.
func (d *door) clients() []netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.held))
}
