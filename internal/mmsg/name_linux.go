package mmsg

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Name is the address of a socket as the kernel has it. Two that are equal are
// the same address.
type Name struct {
	raw  unix.RawSockaddrInet6
	size uint32
}

// NewName is addr for a socket of IPv6, where IPv4 is mapped, or of IPv4. The scope
// is the number of an interface, for addresses that mean nothing without it.
func NewName(addr netip.AddrPort, six bool, scope uint32) (n Name) {
	if six {
		n.raw.Family, n.size = unix.AF_INET6, unix.SizeofSockaddrInet6
		n.raw.Addr, n.raw.Scope_id = addr.Addr().As16(), scope
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&n.raw.Port))[:], addr.Port())
		return n
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw))
	four.Family, n.size = unix.AF_INET, unix.SizeofSockaddrInet4
	four.Addr = addr.Addr().Unmap().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&four.Port))[:], addr.Port())
	return n
}

// AddrPort is the address with IPv4 in its plain form and without a zone, which is
// the scope.
func (n *Name) AddrPort() (addr netip.AddrPort, scope uint32) {
	if n.raw.Family == unix.AF_INET6 {
		port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&n.raw.Port))[:])
		return netip.AddrPortFrom(netip.AddrFrom16(n.raw.Addr).Unmap(), port), n.raw.Scope_id
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw))
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&four.Port))[:])
	return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port), 0
}
