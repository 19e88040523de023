package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
)

// metrics are those of the public ports, the certificate and the addresses.
func (f *front) metrics(m metricSet) {
	f.doorMetrics(m, "public", f.door)
	if f.plain != nil {
		f.doorMetrics(m, "redirect", f.plain)
	}
	m.gauge("address_contradictions", "Sources that disagree about where clients reach this server; /readyz says which.",
		func() int { return len(f.addresses.Contradictions()) })
	for _, family := range []address.Family{address.IPv4, address.IPv6} {
		for _, source := range []string{"PUBLIC_IPS", "metadata", "stun", "interfaces", "DNS"} {
			m.gaugeOf("address_source", "1 for the most trusted source of the address that clients are told.",
				prometheus.Labels{"family": string(family), "source": source}, func() int { return f.saidBy(family, source) })
		}
	}
	if f.certificate != nil {
		m.measure("certificate_days_left", "Days until the certificate runs out; 0: there is none.", nil, f.daysLeft)
	}
}

func (f *front) doorMetrics(m metricSet, port string, door *edge.Door) {
	of := prometheus.Labels{"port": port}
	m.gaugeOf("edge_connections", "Connections open on a public port.", of, func() int { return door.Stats().Open })
	m.counter("edge_accepted_total", "Connections to a public port.", of, func() uint64 { return door.Stats().Accepted })
	m.counter("edge_routed_total", "Connections handed over.", prometheus.Labels{"port": port, "to": "http"}, func() uint64 { return door.Stats().HTTP })
	m.counter("edge_routed_total", "Connections handed over.", prometheus.Labels{"port": port, "to": "turn"}, func() uint64 { return door.Stats().TURN })
	for reason := range door.Stats().Refused {
		m.counter("edge_refused_total", "Connections refused.", prometheus.Labels{"port": port, "reason": string(reason)},
			func() uint64 { return door.Stats().Refused[reason] })
	}
}

// saidBy is 1 if a source is the one whose address of a family clients are told.
func (f *front) saidBy(family address.Family, source string) int {
	told := f.addresses.Current()
	if by := told.Of(family).By; len(by) > 0 && strings.HasPrefix(by[0], source) {
		return 1
	}
	return 0
}
