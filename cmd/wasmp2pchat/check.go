package main

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// How often one address (/64 for IPv6) may check its connection. Retry-After
// says 10 seconds: by then there is one more.
const (
	checksPerSecond = 6.0 / 60
	checksAtOnce    = 3
)

// What the visitor is shown of his own address: enough to know the network by,
// not the household.
const (
	shownBits4 = 24
	shownBits6 = 48
)

// checkSide is who has minted for a visitor who checks his connection.
const checkSide = "c"

// checkAnswer is what /check/servers tells the page.
type checkAnswer struct {
	A    []wire.ICEServer `json:"a"`    // of one side of a room that nobody else is in
	B    []wire.ICEServer `json:"b"`    // of the other one
	STUN []string         `json:"stun"` // wherever the relay answers STUN: with two ports, it shows what a NAT does
	From string           `json:"from,omitempty"`
}

// checkServers gives a visitor what the page /check needs: the credentials of
// both sides of a fresh room: its two ends in the page may relay to each other and
// to nobody else. That is what somebody has who is matched with himself, within
// the same limits. Other sites are refused.
func checkServers(cfg *config, credentials *mint) http.Handler {
	limits := wsconn.Limits{TrustedProxies: cfg.TrustedProxies}
	if countsAddresses(cfg) {
		limits.RatePerAddr, limits.Burst = checksPerSecond, checksAtOnce
	}
	iceServers := credentials.iceServers(checkSide)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := roomkey.NewName()
		a, _ := iceServers(room, wire.SideA, false, netip.Addr{})
		b, _ := iceServers(room, wire.SideB, false, netip.Addr{})
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(checkAnswer{ // the client has gone
			A: a, B: b, STUN: stunURLs(a), From: shortened(wsconn.ClientAddr(r, cfg.TrustedProxies)),
		})
	})
	return private(sameOrigin(wsconn.NewGuard(limits).Wrap(answer)))
}

// private keeps an answer from caches and from other sites.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what browsers say comes from elsewhere (Fetch Metadata, and
// RFC 6454 §7). Without TLS they do not say it with a GET; then they keep the
// answer from other sites themselves.
func sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
		if site != "" && site != "same-origin" || origin != "" && !isHost(origin, r.Host) {
			http.Error(w, "only the page of this server may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

// stunURLs are those that a client is told, and beside each TURN URL over UDP
// that of STUN: the relay answers it on the same ports.
func stunURLs(servers []wire.ICEServer) []string {
	urls := []string{}
	for _, server := range servers {
		for _, u := range server.URLs {
			at, isTURN := strings.CutPrefix(u, "turn:")
			at, isUDP := strings.CutSuffix(at, "?transport=udp")
			if isTURN && isUDP {
				u = "stun:" + at
			}
			if strings.HasPrefix(u, "stun:") && !slices.Contains(urls, u) {
				urls = append(urls, u)
			}
		}
	}
	return urls
}

// shortened is the network of an address, empty if there is no address.
func shortened(addr netip.Addr) string {
	bits := shownBits6
	switch {
	case !addr.IsValid():
		return ""
	case addr.Is4():
		bits = shownBits4
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}
