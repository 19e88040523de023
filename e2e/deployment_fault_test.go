//go:build deployments

package e2e

import (
	"slices"
	"time"
)

// faults are the ways in which operators' deployments do not work, as their
// complaints have them.
func faults() []fault {
	return slices.Concat(ofFirewalls(), ofNames(), ofSettings(), ofProxiesAndNodes(), ofFleets(), ofTheHost())
}

// ofFirewalls are the faults of what lies between people and the server.
func ofFirewalls() []fault {
	const streams = "tcp dport { 80, 443, 3478, 5349 } accept"
	return []fault{
		{
			name:   "the firewall lets no UDP in",
			breaks: func(d *deployment) { d.serve(); d.firewall(streams, "") },
			harm:   (*deployment).stun, cause: "udp-blocked", also: []string{"relay-ports-blocked"},
		},
		{
			name:   "the firewall lets nothing in to the ports of the relay",
			breaks: func(d *deployment) { d.serve(); d.firewall(streams+"\nudp dport { 443, 3478, 5349 } accept", "") },
			harm:   (*deployment).passesFirewall, cause: "relay-ports-blocked",
		},
		{
			name: "the firewall lets UDP in, and no answers out",
			breaks: func(d *deployment) {
				d.serve()
				d.firewall(streams+"\nudp dport { 443, 3478, 5349, 49152-65535 } accept", "oif != lo udp sport { 443, 3478, 5349 } drop")
			},
			harm: (*deployment).stun, cause: "udp-one-way",
		},
		{
			name: "the firewall lets UDP in over IPv4 alone",
			breaks: func(d *deployment) {
				d.serve()
				d.firewall(streams+"\nmeta nfproto ipv4 meta l4proto udp accept", "")
			},
			harm: (*deployment).stun, cause: "udp-blocked", also: []string{"relay-ports-blocked"},
		},
		{
			name: "the firewall lets nothing out of the ports of the relay",
			breaks: func(d *deployment) {
				d.set("TURN_PEERS=public") // or the harm were not to be seen
				d.serve()
				d.firewall(streams+"\nmeta l4proto udp accept", "oif != lo udp sport 49152-65535 drop")
			},
			harm: (*deployment).relayOut, cause: "udp-one-way",
		},
		{
			name: "the firewall lets nobody in to TURN over TCP",
			breaks: func(d *deployment) {
				d.serve()
				d.firewall("tcp dport { 80, 443 } accept\nmeta l4proto udp accept", "")
			},
			harm: (*deployment).turnTCP, cause: "tcp-blocked",
		},
		{
			name:   "the firewall lets nobody in to the page",
			breaks: func(d *deployment) { d.serve(); d.firewall("tcp dport 3478 accept\nmeta l4proto udp accept", "") },
			harm:   (*deployment).page, cause: "tcp-blocked",
		},
	}
}

// otherHost is that of Elsewhere.
const otherHost = "51.51.51.12"

// ofNames are the faults of DNS.
func ofNames() []fault {
	return []fault{
		{
			name:   "the name has no address",
			breaks: func(d *deployment) { d.serve(); d.pointsTo(); d.nameServer() },
			harm:   (*deployment).page, cause: "dns-missing", onHost: true, mends: (*deployment).setRecords,
		},
		{
			name: "the name leads to another host",
			breaks: func(d *deployment) {
				d.serve()
				d.pointsTo(otherHost)
				d.nginx(d.lab.Elsewhere(), d.site(d.ca.issue("www.example.org", 3), "return 200 'somebody else';"))
			},
			harm: (*deployment).page, cause: "dns-elsewhere", onHost: true, mends: (*deployment).setRecords,
		},
		{
			name:   "the name has an IPv6 address where nobody is",
			breaks: func(d *deployment) { d.serve(); d.pointsTo(hostIP, "2a0a:5151::dead") },
			harm:   (*deployment).page, cause: "ipv6-dead", mends: (*deployment).setRecords,
		},
	}
}

// ofSettings are the faults of what the operator has written.
func ofSettings() []fault {
	return []fault{
		{
			name:   "PUBLIC_IPS has an address that nobody has",
			breaks: func(d *deployment) { d.set("PUBLIC_IPS=51.51.51.99"); d.serve() },
			harm:   (*deployment).relayAddress, cause: "wrong-public-ip",
		},
		{
			name: "PUBLIC_IPS has the inner address of a 1:1 NAT",
			breaks: func(d *deployment) {
				inTheCloud(d)
				d.set("PUBLIC_IPS=10.0.0.10")
				d.serve()
			},
			harm: (*deployment).relayAddress, cause: "wrong-public-ip",
		},
		{
			name:   "the certificate is for another name",
			breaks: func(d *deployment) { d.certify(d.ca.issue("other.example.org", 3)); d.serve() },
			harm:   (*deployment).page, cause: "tls-name", says: "TLS_CERT_FILE", mends: (*deployment).renew,
		},
		{
			name:   "the certificate has expired",
			breaks: func(d *deployment) { d.certify(d.ca.issueUntil(time.Now().Add(-time.Hour), domain, 3)); d.serve() },
			harm:   (*deployment).page, cause: "tls-expired", says: "TLS_CERT_FILE", mends: (*deployment).renew,
		},
		{
			name:   "the certificate is of an authority that nobody knows",
			breaks: func(d *deployment) { d.certify(newAuthority(d.t).issue(domain, 3)); d.serve() },
			harm:   (*deployment).page, cause: "tls-untrusted", says: "TLS_CERT_FILE", mends: (*deployment).renew,
		},
		{
			name:   "the relay reaches whom it likes",
			breaks: func(d *deployment) { d.set("TURN_PEERS=any"); d.serve() },
			harm:   (*deployment).privatePeers, cause: "private-peers-open",
		},
	}
}

// ofProxiesAndNodes are the faults of those who have to work together.
func ofProxiesAndNodes() []fault {
	return []fault{
		{
			name:   "the proxy does not pass on WebSockets",
			breaks: func(d *deployment) { d.behindNginx(whoComes + whereTo); d.serve() },
			harm:   (*deployment).room, cause: "no-websocket-upgrade", mends: (*deployment).tellNginx,
		},
		{
			name:   "the proxy does not pass on where visitors want to go",
			breaks: func(d *deployment) { d.behindNginx(upgrading + whoComes); d.serve() },
			harm:   (*deployment).room, cause: "no-websocket-upgrade", mends: (*deployment).tellNginx,
		},
		{
			name:   "the rooms are on a node with another ROOM_SECRET",
			breaks: func(d *deployment) { d.roomsElsewhere("ROOM_SECRET=another secret of this laboratory") },
			harm:   (*deployment).room, cause: "secret-mismatch",
			says: "WASMP2PCHAT_ROOM_SECRET", mends: func(d *deployment, _ string) { d.roomsElsewhere(roomSecret) },
		},
		{
			name:   "the relay is on a node with other TURN_SECRETS",
			breaks: func(d *deployment) { d.relayElsewhere("TURN_SECRETS=another secret of this laboratory") },
			harm:   (*deployment).relay, cause: "secret-mismatch",
			says: "WASMP2PCHAT_TURN_SECRETS", mends: func(d *deployment, _ string) { d.relayElsewhere(turnSecrets) },
		},
	}
}

// ofTheHost are the faults of the machine that the server runs on.
func ofTheHost() []fault {
	return []fault{
		{
			name:   "the clock of the server is an hour late",
			breaks: func(d *deployment) { d.host = altered{machine: d.lab.Server(), program: lateServer(d.t)}; d.serve() },
			harm:   (*deployment).clock, cause: "clock-off", says: "timedatectl set-ntp true", mends: (*deployment).setClock,
		},
		{
			name:   "the server may open 64 files",
			breaks: func(d *deployment) { d.mayOpen("64"); d.serve() },
			harm:   (*deployment).crowded, cause: "descriptors", onHost: true, mends: (*deployment).raiseLimit,
		},
		{
			name:   "the server does not run",
			breaks: func(*deployment) {},
			harm:   (*deployment).page, cause: "not-ready", onHost: true,
			says: "systemctl start wasmp2pchat", mends: func(d *deployment, _ string) { d.serve() },
		},
		{
			name:   "another program has the port of the relay",
			breaks: (*deployment).takeRelayPort,
			harm:   (*deployment).stun, cause: "port-taken", also: []string{"not-ready", "tcp-blocked"}, onHost: true,
			says: ":3478", mends: (*deployment).stopOther,
		},
		{
			name: "another web server has port 443",
			breaks: func(d *deployment) {
				d.other = d.nginx(d.lab.Server(), d.site(d.ca.issue(domain, 3), "return 200 'Welcome to nginx!';"))
			},
			harm: (*deployment).page, cause: "port-taken", also: []string{"udp-blocked", "tcp-blocked", "page-missing"},
			says: ":443", mends: (*deployment).stopOther,
		},
	}
}
