package doctor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// hashBytes is how much of a SHA-256 names a version of the page: package wasm.
const hashBytes = 6

// clientName is the file of the browser client that a page loads.
func clientName(page []byte) string {
	return string(regexp.MustCompile(`app\.[0-9a-f]{12}\.wasm`).Find(page))
}

// judgePage is what the page and its client mean, at an address where this program
// answers.
func judgePage(s *site) []Check {
	page := Check{ID: "page", Subject: s.at.String(), Status: OK, Seen: "there"}
	client := Check{ID: "client", Subject: s.at.String(), Status: OK, Seen: "client " + s.page}
	sum := sha256.Sum256(s.home.body)
	hash := hex.EncodeToString(sum[:hashBytes])
	switch {
	case s.home.err != nil:
		page.fail(PageMissing, "GET /: "+dialText(s.home.err), "journalctl -u wasmp2pchat")
	case s.home.status == http.StatusServiceUnavailable && bytes.Contains(s.home.body, []byte("browser client is not part")):
		page.fail(PageMissing, "the program was built without the browser client", "make   (which builds it, then the program), and start again")
	case s.home.status != http.StatusOK:
		page.fail(PageMissing, fmt.Sprintf("GET / is answered %d: %s", s.home.status, firstLine(s.home.body)), upstreamLine(s.home.server))
	}
	if page.Status != OK {
		client.Status, client.Seen = Skip, "no page"
		return []Check{page, client}
	}
	const purge = "let the proxy hand the page on as it is, and empty its cache; if there are several servers, run the same build on all"
	switch name := clientName(s.home.body); {
	case hash != s.page:
		client.Status, client.Cause, client.Fix = Warn, PageMissing, purge
		client.Seen = fmt.Sprintf("the page is %s, /version says %s: somebody on the way changes it, or serves an old one", hash, s.page)
	case name == "":
		client.fail(PageMissing, "the page names no client", purge)
	case s.wasm.err != nil || s.wasm.status != http.StatusOK:
		client.fail(PageMissing, fmt.Sprintf("%s is answered %d", name, s.wasm.status), purge)
	case !strings.HasPrefix(s.wasm.kind, "application/wasm"):
		client.fail(PageMissing, fmt.Sprintf("%s comes as %q, which browsers refuse", name, s.wasm.kind), "let the proxy hand on Content-Type: application/wasm")
	}
	return []Check{page, client}
}

// plainPort is that of http.
const plainPort = 80

// askPlain looks whether people who type no https are sent there.
func (x *exam) askPlain(ctx context.Context, s *site) {
	if !x.target.secure || x.target.port != 443 {
		return
	}
	at := netip.AddrPortFrom(s.at.Addr(), plainPort)
	plain := &site{client: x.target.client(x.at(at))}
	defer plain.client.CloseIdleConnections()
	f, _ := plain.get(ctx, http.MethodGet, "http://"+x.target.host+"/")
	x.sheet.add(judgePlain(at, f))
}

// judgePlain is what the port of http means; nobody needs it.
func judgePlain(at netip.AddrPort, f fetched) Check {
	c := Check{ID: "port", Subject: at.String() + "/tcp", Status: Skip}
	switch {
	case f.err != nil:
		c.Seen = "closed: who types http:// sees nothing, and certificates come by 443 alone"
	case f.status >= 300 && f.status < 400 && strings.HasPrefix(f.location, "https://"):
		c.Status, c.Seen = OK, "sends people to https"
	default:
		c.Seen = fmt.Sprintf("%s answers %d, and sends nobody to https", cmp.Or(f.server, "something"), f.status)
	}
	return c
}

func (c *Check) fail(cause Cause, seen, fix string) {
	c.Status, c.Cause, c.Seen, c.Fix = Fail, cause, seen, fix
}

// judgeStranger is what it means that something else answers. The last case of
// all leaves two: another program on this host, or another host; hints tell which
// is more likely.
func judgeStranger(s *site, h hints) Check {
	c := Check{ID: "page", Subject: s.at.String(), Status: Fail}
	said := firstLine(s.body)
	who := "something else"
	if s.server != "" {
		who = s.server
	}
	switch {
	case s.versionErr != nil:
		c.fail(PortTaken, "no answer to HTTP: "+dialText(s.versionErr), "see what has the port: sudo ss -ltnp")
	case s.status == http.StatusBadGateway || s.status == http.StatusServiceUnavailable || s.status == http.StatusGatewayTimeout:
		c.fail(PageMissing, fmt.Sprintf("the proxy (%s) is there, and the program behind it does not answer: %d", who, s.status), upstreamLine(s.server))
		return c
	case strings.Contains(said, "HTTPS"), strings.Contains(said, "HTTP request to an HTTPS server"):
		c.fail(PageMissing, "this port speaks HTTPS: "+said, "ask https://, and let a proxy pass TLS on (docs/proxies.md)")
		return c
	default:
		c.Seen = fmt.Sprintf("%s answers, not this program: GET /version is %d %s", who, s.status, said)
	}
	at := s.at.Addr()
	c.Cause = h.cause()
	taken := fmt.Sprintf("stop what has port %d (sudo ss -ltnp 'sport = :%d'), or put the program behind it (docs/proxies.md)", s.at.Port(), s.at.Port())
	moved := fmt.Sprintf("set the %s to the address of your server, instead of %s", record(h.host, at), at)
	switch {
	case c.Cause == PortTaken && h.sure():
		c.Fix = taken
	case c.Cause == PortTaken:
		c.Fix = taken + "; if " + at.String() + " is not your server: " + moved
	case h.sure():
		c.Fix = moved
	default:
		c.Fix = moved + "; if " + at.String() + " is your server: " + taken
	}
	return c
}
