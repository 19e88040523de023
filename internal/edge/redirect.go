package edge

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Redirect sends every GET and HEAD of a plain port to the same path of
// https://domain, for good (308); port 443 is not written. Whatever Host a
// request names, it is sent to domain and nowhere else. An empty domain is the
// host that the request names, if that is one: 400 otherwise.
func Redirect(domain string, port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this port only redirects: ask again with https", http.StatusMethodNotAllowed)
			return
		}
		host := domain
		if host == "" {
			host = hostOf(r.Host)
		}
		if host == "" {
			http.Error(w, "the Host header is not the name of a host", http.StatusBadRequest)
			return
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if port != 443 {
			host += ":" + strconv.Itoa(port)
		}
		query := strings.ReplaceAll(r.URL.RawQuery, "#", "%23") // which would end it; a browser keeps it to itself
		target := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query}
		http.Redirect(w, r, target.String(), http.StatusPermanentRedirect)
	})
}

// hostOf is the name or address in a Host header, without brackets, in plain
// letters; empty if it is neither.
func hostOf(header string) string {
	host := strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
	if name, _, err := net.SplitHostPort(header); err == nil {
		host = name
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.WithZone("").String()
	}
	if len(host) > 253 { // RFC 1035 §2.3.4
		return ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if !isLabel(label) {
			return ""
		}
	}
	return host
}

// isLabel holds one part of a name to RFC 1123 §2.1, and to an underscore, which
// some use.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// HSTS makes browsers that have come by TLS once come by TLS for a year
// (RFC 6797); over plain HTTP it says nothing, as §7.2 asks. It does not include
// sub-domains: what else runs under the operator's name, and whether that has
// certificates, is not for a chat server to decide, and it could not be taken
// back.
func HSTS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
