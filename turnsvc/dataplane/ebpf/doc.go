// Package ebpf carries the data of channels inside the Linux kernel: a program at
// tcx, where packets come in from the network card, sends the datagrams of bound
// channels on, and the process that bound them sees none of them.
//
//	     client ◀──▶ card ─▶ relay.c ─▶ card ◀──▶ peer
//	                            │
//	STUN, requests, unbound channels, and whatever relay.c is not sure of
//	                            ▼
//	             the stack, its sockets, turnsvc
//
// It promises that nothing is touched but ChannelData of a bound channel and the
// datagrams of the very peer, address and port, that it is bound to; that what goes
// out is right in every byte, with the checksum of what came, so that what was
// damaged stays so; that each way of an allocation is held to the bitrate; that a
// channel is carried no more once it is unbound; and that nothing stays behind when
// the process ends, however it ends.
//
// It leaves to user space, where the sockets of turnsvc stay bound to their ports:
//
//   - fragments, IP options and extension headers, VLAN tags;
//   - what the kernel has glued together from several datagrams (GRO, GSO): so
//     nobody may switch UDP_GRO on for these sockets;
//   - what would be longer than the next link carries, or than every link carries
//     (IPv6, 1280 bytes); the stack knows the way's MTU, and fragments;
//   - what comes without a checksum (IPv4 may) and would need one (IPv6 does);
//   - clients and peers on this machine, or behind anything that is not Ethernet:
//     tunnels, the loopback.
//
// What it sends has the TTL that the kernel gives, the traffic class that came, and
// no DF bit (RFC 8656 §13 and §14 allow them): who carries it may fragment it.
//
// Rules of nftables and iptables are for packets that pass the stack: they do not
// see what is carried here. It takes Linux 6.6 for tcx, CAP_BPF and CAP_NET_ADMIN;
// no BTF of the kernel, no file system for pins, no other program.
package ebpf
