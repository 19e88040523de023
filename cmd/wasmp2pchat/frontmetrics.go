package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/certs"
)

// metrics are those of the public ports, the certificate and the addresses.
func (f *front) metrics() []prometheus.Collector {
	list := []prometheus.Collector{doorMetrics("public", f.door), f.addressMetrics()}
	if f.plain != nil {
		list = append(list, doorMetrics("redirect", f.plain))
	}
	if f.certificate != nil {
		list = append(list, f.certificateMetrics())
	}
	return list
}

func doorMetrics(port string, door *edge.Door) prometheus.Collector {
	t := newTable(door.Stats)
	t.of = prometheus.Labels{"port": port}
	t.gauge("edge_connections", "Connections open on a public port.", func(s edge.Stats) int { return s.Open })
	t.gauge("edge_opening", "Of those, how many have not said yet what they are for.", func(s edge.Stats) int { return s.Opening })
	t.counter("edge_accepted_total", "Connections to a public port.", func(s edge.Stats) uint64 { return s.Accepted })
	t.counter("edge_accept_errors_total", "Connections that could not be accepted, for want of descriptors mostly.", func(s edge.Stats) uint64 { return s.AcceptErrors })
	t.counters("edge_routed_total", "Connections handed over.", "to", func(s edge.Stats) map[string]uint64 {
		return map[string]uint64{"http": s.HTTP, "turn": s.TURN, "acme": s.Challenges}
	})
	t.counters("edge_refused_total", "Connections refused.", "reason", func(s edge.Stats) map[string]uint64 {
		byReason := make(map[string]uint64, len(s.Refused))
		for reason, n := range s.Refused {
			byReason[string(reason)] = n
		}
		return byReason
	})
	return t
}

func (f *front) addressMetrics() prometheus.Collector {
	t := newTable(f.addresses.Current)
	t.gauge("address_contradictions", "Sources that disagree about where clients reach this server; /readyz says which.",
		func(address.Addresses) int { return len(f.addresses.Contradictions()) })
	t.add(prometheus.GaugeValue, "address_source", "1 for the most trusted source of the address that clients are told.", []string{"family", "source"},
		func(told address.Addresses, is sample) {
			for _, family := range []address.Family{address.IPv4, address.IPv6} {
				for _, source := range []string{"PUBLIC_IPS", "metadata", "stun", "interfaces", "DNS"} {
					by := told.Of(family).By
					is(float64(oneIf(len(by) > 0 && strings.HasPrefix(by[0], source))), string(family), source)
				}
			}
		})
	return t
}

func (f *front) certificateMetrics() prometheus.Collector {
	t := newTable(f.certificate.Status)
	t.gauge("certificate_expiry_timestamp_seconds", "When the certificate runs out, in seconds since 1970; 0: there is none.", func(s certs.Status) int {
		if s.NotAfter.IsZero() {
			return 0
		}
		return int(s.NotAfter.Unix())
	})
	return t
}
