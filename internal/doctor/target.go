package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errURL is for people who type.
var errURL = errors.New("want the URL of a server, such as https://chat.example.org")

// target is the server that is examined.
type target struct {
	host   string // name or address, without brackets
	port   uint16
	secure bool
	base   string // URL without a slash at its end
}

func parseTarget(raw string) (*target, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errURL
	}
	if strings.Contains(u.Hostname(), ":") && (u.Host[0] != '[' || !isAddress(u.Hostname())) {
		return nil, errURL // package url takes http://:: for a name and a port, and http://::: for an address
	}
	t, usual := &target{host: strings.TrimSuffix(u.Hostname(), "."), port: 80}, "80"
	switch u.Scheme {
	case "http", "ws":
	case "https", "wss":
		t.secure, t.port, usual = true, 443, "443"
	default:
		return nil, errURL
	}
	if text := u.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, errURL
		}
		t.port = uint16(port)
	}
	u.Host = strings.TrimSuffix(u.Host, ":"+usual) // browsers do not say it, in Host and Origin
	u.Scheme = "http"
	if t.secure {
		u.Scheme = "https"
	}
	u.Path = strings.TrimRight(u.Path, "/")
	t.base = u.String()
	return t, nil
}

// literal is the address in the URL, if it has no name.
func (t *target) literal() (netip.Addr, bool) {
	ip, err := netip.ParseAddr(t.host)
	return ip.Unmap(), err == nil
}

// at is the port of the page at one of the addresses.
func (t *target) at(ip netip.Addr) netip.AddrPort { return netip.AddrPortFrom(ip, t.port) }

// origin is what browsers say of the page from which they open a WebSocket
// (RFC 6454 §6.1).
func (t *target) origin() string {
	scheme, rest, _ := strings.Cut(t.base, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// websocket is a URL of one of the services.
func (t *target) websocket(path string) string {
	return "ws" + strings.TrimPrefix(t.base, "http") + path
}

// anyCertificate is taken: see tlsConfig.
const anyCertificate = true

// tlsConfig takes any certificate: it is judged by itself, and what the others
// find is worth knowing even if it is a bad one. What is said to the server is a
// secret of nobody.
func tlsConfig(host string) *tls.Config {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	c.InsecureSkipVerify = anyCertificate
	return c
}

// client asks one address, whatever the URL says.
func (t *target) client(at netip.AddrPort) *http.Client {
	var d net.Dialer
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return d.DialContext(ctx, "tcp", at.String())
			},
			TLSClientConfig:       tlsConfig(t.host),
			DisableCompression:    true, // the hash is that of the file
			ResponseHeaderTimeout: stepTimeout,
			TLSHandshakeTimeout:   stepTimeout,
			IdleConnTimeout:       stepTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       2 * stepTimeout,
	}
}

// The bounds of an examination.
const (
	stepTimeout  = 5 * time.Second  // of one question
	totalTimeout = 30 * time.Second // of all
	maxBody      = 256 << 10        // of what a server answers to a question
	maxAddresses = 8                // of one name that are looked at
	maxURLs      = 16               // that are looked at
)

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says whom to examine, from where.
type Config struct {
	URL      string         // of the server: http, https, ws or wss; required
	Roots    *x509.CertPool // whose certificates are good; nil: those of the system
	Resolver Resolver       // nil: that of the system
	Host     *Host          // the machine of the server, if this is it; else nil
	// Facts asks the server what it tells on its own machine only; nil: nobody can.
	Facts func(context.Context) (*Facts, error)
	Now   func() time.Time // nil: time.Now
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}
