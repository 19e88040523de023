package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// site is what was seen at one address of the server.
type site struct {
	at      netip.AddrPort
	dialled netip.AddrPort // at, or instead of it an address within
	client  *http.Client

	dialErr error // of TCP
	tlsErr  error // of the handshake
	chain   []*x509.Certificate
	opening []byte // what was said instead of TLS

	versionErr error // of the question for /version
	status     int   // of its answer
	server     string
	body       []byte
	ours       bool // this program has answered
	version    string
	page       string // hash of the client
	date       time.Time
	asked      time.Time // when, by the local clock, in the middle of the question

	home fetched // GET /
	wasm fetched // HEAD of the client
}

// fetched is a file.
type fetched struct {
	err      error
	status   int
	kind     string // Content-Type
	body     []byte
	server   string
	location string
}

// visit looks at an address: each step needs the one before.
func (x *exam) visit(ctx context.Context, ip netip.Addr) *site {
	s := &site{at: x.target.at(ip)}
	s.dialled = x.at(s.at)
	s.client = x.target.client(s.dialled)
	ctx, cancel := context.WithTimeout(ctx, 2*stepTimeout)
	defer cancel()
	if s.connect(ctx, x.target); s.dialErr != nil || s.tlsErr != nil {
		return s
	}
	s.askVersion(ctx, x)
	if s.ours {
		s.askPage(ctx, x.target)
	}
	return s
}

// connect tries TCP and TLS.
func (s *site) connect(ctx context.Context, t *target) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.dialled.String())
	if err != nil {
		s.dialErr = err
		return
	}
	defer func() { _ = conn.Close() }() // it was looked at
	if !t.secure {
		return
	}
	s.chain, s.tlsErr = shake(ctx, conn, t.host)
	if record, ok := errors.AsType[tls.RecordHeaderError](s.tlsErr); ok {
		s.opening = record.RecordHeader[:]
	}
}

// shake makes a TLS handshake and returns the certificates that were shown.
func shake(ctx context.Context, conn net.Conn, host string) ([]*x509.Certificate, error) {
	secure := tls.Client(conn, tlsConfig(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure.ConnectionState().PeerCertificates, nil
}

// versionAnswer is what /version says.
type versionAnswer struct {
	Version string `json:"version"`
	Client  string `json:"client"`
}

func (s *site) askVersion(ctx context.Context, x *exam) {
	before := x.cfg.Now()
	f, date := s.get(ctx, http.MethodGet, x.target.base+"/version")
	s.asked = before.Add(x.cfg.Now().Sub(before) / 2)
	s.versionErr, s.status, s.body, s.server = f.err, f.status, f.body, f.server
	s.date, _ = http.ParseTime(date) // the zero time: it did not say
	var answer versionAnswer
	if f.err == nil && f.status == http.StatusOK && json.Unmarshal(f.body, &answer) == nil && answer.Version != "" && answer.Client != "" {
		s.ours, s.version, s.page = true, answer.Version, answer.Client
	} else if f.err == nil && f.status != http.StatusOK {
		s.home, _ = s.get(ctx, http.MethodGet, x.target.base+"/")
	}
}

func (s *site) askPage(ctx context.Context, t *target) {
	s.home, _ = s.get(ctx, http.MethodGet, t.base+"/")
	if name := clientName(s.home.body); name != "" {
		s.wasm, _ = s.get(ctx, http.MethodHead, t.base+"/"+name)
	}
}

// get asks for a file, of which it reads a bounded part.
func (s *site) get(ctx context.Context, method, url string) (f fetched, date string) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return fetched{err: err}, ""
	}
	req.Header.Set("Accept-Language", "en")
	resp, err := s.client.Do(req)
	if err != nil {
		return fetched{err: err}, ""
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	f = fetched{status: resp.StatusCode, kind: resp.Header.Get("Content-Type"), server: resp.Header.Get("Server"), location: resp.Header.Get("Location")}
	f.body, f.err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return f, resp.Header.Get("Date")
}

// visitAll looks at all addresses at once.
func (x *exam) visitAll(ctx context.Context, list []netip.Addr) []*site {
	sites := make([]*site, len(list))
	var visiting sync.WaitGroup
	for i, ip := range list {
		visiting.Go(func() { sites[i] = x.visit(ctx, ip) })
	}
	visiting.Wait()
	return sites
}

// noRoute reports whether this machine has no way to a family of addresses.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// judgeTCP is what a try to connect means. Others are the other addresses of the
// name that can be connected to.
func judgeTCP(s *site, others int) Check {
	c := Check{ID: "tcp", Subject: s.at.String(), Status: OK, Seen: "open"}
	if s.dialErr == nil {
		return c
	}
	c.Status, c.Cause, c.Seen = Fail, TCPBlocked, dialText(s.dialErr)
	c.Fix = openPort(s.at.Addr(), "tcp", portText(s.at))
	switch {
	case s.at.Addr().Is6() && noRoute(s.dialErr):
		c.Status, c.Cause, c.Fix, c.Seen = Skip, "", "", "this machine has no IPv6"
	case s.at.Addr().Is6() && others > 0:
		c.Cause = IPv6Dead
		c.Fix = fmt.Sprintf("remove the AAAA record %v; or, if that is the server: %s", s.at.Addr(), c.Fix)
	case errors.Is(s.dialErr, syscall.ECONNREFUSED):
		c.Fix = "start the program (systemctl status wasmp2pchat; " + setting + "ADDR says where it listens), or let it be reached: " + c.Fix
	}
	return c
}

func portText(at netip.AddrPort) string {
	_, port, _ := net.SplitHostPort(at.String())
	return port
}

// dialText says why nothing came of it, in words.
func dialText(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there, or a firewall rejects it"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in 5 s: a firewall drops it, or there is no such host"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "no route to the host"
	}
	return err.Error()
}

// firstLine is the beginning of what a server has said.
func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	return printable(string(line[:min(len(line), 80)]))
}
