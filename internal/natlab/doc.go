// Package natlab is a laboratory of real NATs: a server and two clients, each
// client behind a router of its own, in network namespaces of one Linux
// machine. The routers translate with the kernel's own NAT, so what connects
// here connects through boxes that behave alike.
//
//	              51.51.51.0/24, 2a0a:5151::/64
//	─────┬──────────────────┬──────────────────┬─────  pub, a bridge
//	wan0 │ .101        eth0 │ .10 .11     wan0 │ .102
//	┌────┴────┐        ┌────┴────┐        ┌────┴────┐
//	│ ra, NAT │        │   srv   │        │ rb, NAT │
//	└────┬────┘        └─────────┘        └────┬────┘
//	lan0 │ 10.1.0.1                       lan0 │ 10.2.0.1
//	eth0 │ 10.1.0.2                       eth0 │ 10.2.0.2
//	┌────┴────┐                           ┌────┴────┐
//	│   ca    │                           │   cb    │
//	└─────────┘                           └─────────┘
//
// A client without a NAT has a public address instead: 51.51.1.2 or 51.51.2.2,
// elsewhere 51.51.3.2 or 51.51.4.2.
// The bridge itself is a host of the world, 51.51.51.12, for what is neither the
// server nor a client; Join adds others, such as more servers. Move takes a client to another network: A's other router
// is 51.51.51.103 with 10.3.0.0/24 behind it, B's 51.51.51.104 with 10.4.0.0/24.
// AddCarrier puts a client behind two NATs, and Share both clients behind one.
// HideServer puts the server behind a static 1:1 NAT:
//
//	wan0 │ .10, or what it is moved to
//	┌────┴────┐
//	│ rs, NAT │ 169.254.169.254 as well
//	└────┬────┘
//	lan0 │ 10.0.0.1
//	eth0 │ 10.0.0.10
//	┌────┴────┐
//	│   srv   │
//	└─────────┘
//
// All public addresses look like anybody's, because a relay rightly refuses
// those that are set aside for documentation.
//
// It promises that a lab touches no address, route or firewall rule of the
// machine, that labs do not notice one another, and that nothing stays behind:
// Close removes everything, and what a killed process left is removed by the
// next New, or by Sweep. All that it writes is in /etc/netns/natlab-*, where ip netns exec
// finds the names that SetName sets; nobody in a lab has DNS. It needs root, ip (iproute2) and nft (nftables).
//
// SetLoss, SetDelay, SetJitter and SetReorder make a path worse, CutServer parts the server from
// everybody; rates are left to others. Clients have no IPv6 unless asked:
// it would be a way around every NAT.
//
// A Path is a smaller lab, without NATs, for measuring what a server in the middle
// costs.
//
// A lab can be looked into while it runs: ip netns lists its namespaces, and
// ip netns exec natlab-PID-ID-ra nft list ruleset shows a router's rules.
package natlab
