//go:build proxies

package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestBehindAProxy plays the story behind each proxy, with its file of configs as
// it is and the settings that the file names.
func TestBehindAProxy(t *testing.T) {
	for _, f := range frontages() {
		t.Run(f.file, func(t *testing.T) {
			t.Parallel() // it mostly waits, for slow clients to be cut
			s := openStreet(t, f)
			a, b := s.visitor(natlab.SideA), s.visitor(natlab.SideB)
			slow := a.isSlow()
			a.seesThePage()
			s.chats("direct")
			s.knowsAddresses(a, b)
			if f.through {
				s.talksOverTLS()
				a.relaysOverTLS(b)
				a.findsTheOtherSite()
			}
			a.isHeldToItsOrigin()
			a.talksTooMuch()
			slow.Wait()

			s.server.stop()
			a.isToldToWait()
			s.startProgram("WS_MAX_PER_IP=1", "TURN_MAX_ALLOCATIONS_PER_IP=1")
			s.limitsClients(a, b)
			if f.through {
				s.limitsRelays(a, b)
			}
		})
	}
}

// seesThePage asks over IPv4 and IPv6, with HTTP/2, and is sent there from http.
func (v *visitor) seesThePage() {
	v.t.Helper()
	serial := int64(proxySerial)
	if v.front.through {
		serial = programSerial
	}
	sixth := *v
	sixth.ip = proxyIPv6
	for _, way := range []*visitor{v, &sixth} {
		page := way.fetch("https://" + chatName + "/")
		if page.StatusCode != http.StatusOK || page.Proto != "HTTP/2.0" || !strings.Contains(page.text, `id="start"`) {
			v.t.Errorf("the page at %s is %s %s with %d bytes, want 200 and HTTP/2", way.ip, page.Proto, page.Status, len(page.text))
		}
		if got := page.TLS.PeerCertificates[0].SerialNumber.Int64(); got != serial {
			v.t.Errorf("the page at %s comes with certificate %d, want %d", way.ip, got, serial)
		}
		if got := page.Header.Values("Strict-Transport-Security"); len(got) != 1 || got[0] != "max-age=31536000" {
			v.t.Errorf("the page at %s has Strict-Transport-Security %q", way.ip, got)
		}
	}
	if strings.HasPrefix(v.front.file, "nginx-stream") {
		return // its redirect is in a comment, for the sites of http {}
	}
	redirect := v.fetch("http://" + chatName + "/?lang=fr")
	if got := redirect.Header.Get("Location"); redirect.StatusCode/100 != 3 || got != "https://"+chatName+"/?lang=fr" {
		v.t.Errorf("http:// answers %s to %q", redirect.Status, got)
	}
}

// talksOverTLS lets two people talk whose networks let out TCP to port 443 only.
func (s *street) talksOverTLS() {
	s.t.Helper()
	s.logs("turn offers", "turns:"+chatName+":443?transport=tcp")
	for _, side := range []natlab.Side{natlab.SideA, natlab.SideB} {
		if err := s.lab.SetNAT(s.t.Context(), side, natlab.TCP443Only); err != nil {
			s.t.Fatal(err)
		}
	}
	s.chats("relay")
	for _, side := range []natlab.Side{natlab.SideA, natlab.SideB} {
		s.logs("websocket open", "addr="+s.lab.Outside(side).String())
		if err := s.lab.SetNAT(s.t.Context(), side, natlab.NoNAT); err != nil {
			s.t.Fatal(err)
		}
	}
}

// chats lets two people talk who know nothing but the URL.
func (s *street) chats(path string) {
	s.t.Helper()
	a := openTerminal(s.t, s.machine(s.lab.Client(natlab.SideA)), "https://"+chatName)
	b := openTerminal(s.t, s.machine(s.lab.Client(natlab.SideB)), "https://"+chatName)
	a.prints("connected: " + path)
	b.prints("connected: " + path)
	a.say("hello")
	b.prints("stranger: hello")
	b.say("hello yourself")
	a.prints("stranger: hello yourself")
	a.leaves() // or the chat would outlive the server, and take what its successor allows
	b.prints("the stranger has left")
}

// knowsAddresses holds the log to the addresses of those who chat, and of
// somebody with IPv6: the proxy's is none.
func (s *street) knowsAddresses(a, b *visitor) {
	s.t.Helper()
	for _, v := range []*visitor{a, b} {
		s.logs("websocket open", "svc=match", "addr="+v.host.Addr().String())
		s.logs("websocket open", "svc=signal", "addr="+v.host.Addr().String())
	}
	sixth := *a
	sixth.ip = proxyIPv6
	if status := sixth.waits(wss); status != http.StatusSwitchingProtocols {
		s.t.Errorf("over IPv6 the lobby answers %d", status)
	}
	s.logs("websocket open", "addr="+a.host.Addrs()[1].String())
	if s.logged("websocket", "addr=127.0.0.1") > 0 || s.logged("websocket", "addr=51.51.51.10") > 0 {
		s.t.Error("the program takes the proxy for a client")
	}
}

// relaysOverTLS sends data to somebody who has no TURN, and back, through the
// port of the page.
func (v *visitor) relaysOverTLS(peer *visitor) {
	v.t.Helper()
	socket, err := peer.host.ListenPacket(v.t.Context(), "udp", peer.host.Addr().String()+":0")
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	c := v.turnTLS("ann")
	defer func() { _ = c.conn.Close() }()
	got := c.relays()
	if seen := got.seen.IP.String(); seen != v.host.Addr().String() {
		v.t.Errorf("the relay sees %s, want %s", seen, v.host.Addr())
	}
	at := netip.MustParseAddrPort(socket.LocalAddr().String())
	if code := c.permit(at); code != granted {
		v.t.Fatalf("answer to CreatePermission: %d", code)
	}
	c.sendTo(at, "there")
	packet := make([]byte, 100)
	n, from, err := socket.ReadFrom(packet)
	if err != nil || string(packet[:n]) != "there" {
		v.t.Fatalf("the peer gets %q, %v", packet[:n], err)
	}
	if want := fmt.Sprintf("%s:%d", proxyIP, got.relayed.Port); from.String() != want {
		v.t.Errorf("the peer gets it from %v, want %s", from, want)
	}
	if _, err := socket.WriteTo([]byte("and back"), from); err != nil {
		v.t.Fatal(err)
	}
	c.hears("and back")

	stranger := v.turnTLS("ann")
	stranger.credential.Credential = "guessed"
	if code := stranger.allocate(); code != 401 {
		v.t.Errorf("answer to a wrong password: %d, want 401", code)
	}
	v.logs("turn request refused", "client="+v.host.Addr().String())
}

// findsTheOtherSite asks for another name, and for none: that is not for us.
func (v *visitor) findsTheOtherSite() {
	v.t.Helper()
	pair := v.certs.issue(otherName, otherSerial)
	cert, err := tls.X509KeyPair([]byte(pair.chain), []byte(pair.key))
	if err != nil {
		v.t.Fatal(err)
	}
	socket, err := v.lab.Server().Listen(v.t.Context(), "tcp", "127.0.0.1:8444")
	if err != nil {
		v.t.Fatal(err)
	}
	site := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "the other site sees "+r.RemoteAddr) // the client has gone
		}),
		ReadHeaderTimeout: patience,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // of those who only looked at the certificate
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		_ = site.Serve(tls.NewListener(&proxyproto.Listener{Listener: socket}, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))
	})
	defer serving.Wait()
	defer func() { _ = site.Close() }()

	if got := v.fetch("https://" + otherName + "/"); !strings.HasPrefix(got.text, "the other site sees "+v.host.Addr().String()+":") {
		v.t.Errorf("https://%s/ says %q", otherName, got.text)
	}
	nameless := v.trust("")
	nameless.InsecureSkipVerify = true
	conn, err := v.secure(v.t.Context(), v.dial(v.t.Context(), "443"), nameless)
	if err != nil {
		v.t.Fatal(err)
	}
	if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != otherSerial {
		v.t.Errorf("who names nobody gets certificate %d, want %d", got, otherSerial)
	}
}

// isHeldToItsOrigin opens WebSockets as pages of this site and of another do.
func (v *visitor) isHeldToItsOrigin() {
	v.t.Helper()
	if status := v.waits(wss, "Origin: https://"+chatName); status != http.StatusSwitchingProtocols {
		v.t.Errorf("our own page is answered %d", status)
	}
	if status := v.waits(wss, "Origin: https://evil.example"); status != http.StatusForbidden {
		v.t.Errorf("a foreign page is answered %d, want 403", status)
	}
}

// talksTooMuch sends a header that nobody needs.
func (v *visitor) talksTooMuch() {
	v.t.Helper()
	got, err := v.get("https://"+chatName+"/", "X-Long: "+strings.Repeat("x", 100<<10))
	if err == nil && got.StatusCode < 400 { // HTTP/2 may say so by ending the stream
		v.t.Errorf("a header of 100 kB is answered %s", got.Status)
	}
}

// isSlow opens connections on which too little is said, each in its own way,
// until they are cut.
func (v *visitor) isSlow() *sync.WaitGroup {
	v.t.Helper()
	hello := clientHello(v.t)
	half := v.dial(v.t.Context(), "443")
	_, _ = half.Write(hello[:len(hello)/2]) // it is cut in any case
	conns := []net.Conn{v.dial(v.t.Context(), "443"), half}
	for _, said := range []string{"", "GET / HTTP/1.1\r\nHost: " + chatName + "\r\nX-Slow: "} {
		conn, err := v.secure(v.t.Context(), v.dial(v.t.Context(), "443"), v.trust(chatName, "http/1.1"))
		if err != nil {
			v.t.Fatal(err)
		}
		_, _ = io.WriteString(conn, said) // it is cut in any case
		conns = append(conns, conn)
	}
	waiting := new(sync.WaitGroup)
	for _, conn := range conns {
		waiting.Go(func() { isCut(v.t, conn) })
	}
	return waiting
}

// clientHello is what a client says first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	var speaking sync.WaitGroup
	speaking.Go(func() {
		_ = tls.Client(ours, &tls.Config{ServerName: chatName, MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context()) // nobody answers
	})
	defer speaking.Wait()
	defer func() { _ = ours.Close() }()
	reader := bufio.NewReader(theirs)
	head, err := reader.Peek(5)
	if err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, 5+int(head[3])<<8+int(head[4]))
	if _, err := io.ReadFull(reader, hello); err != nil {
		t.Fatal(err)
	}
	return hello
}

// isToldToWait asks while the program is not there.
func (v *visitor) isToldToWait() {
	v.t.Helper()
	got, err := v.get("https://" + chatName + "/")
	if v.front.through && err == nil || !v.front.through && (err != nil || got.StatusCode/100 != 5) {
		v.t.Errorf("while the program is away the answer is %v, %v", got.Response, err)
	}
}

// limitsClients lets each of two clients have one WebSocket, whatever he says
// about himself.
func (s *street) limitsClients(a, b *visitor) {
	s.t.Helper()
	for _, c := range []struct {
		who     *visitor
		name    string
		headers []string
		want    int
	}{
		{a, "the first client", nil, http.StatusSwitchingProtocols},
		{b, "the second client", nil, http.StatusSwitchingProtocols},
		{a, "the first client, once more", nil, http.StatusTooManyRequests},
		{a, "the first client, who claims to be another", []string{"X-Forwarded-For: 8.8.8.8"}, http.StatusTooManyRequests},
		{a, "the first client, who claims to be the proxy", []string{"X-Forwarded-For: 127.0.0.1"}, http.StatusTooManyRequests},
		{a, "the first client, who claims much", []string{"X-Forwarded-For: 8.8.8.8, 127.0.0.1", "X-Forwarded-For: 9.9.9.9", "X-Real-IP: 8.8.8.8", "Forwarded: for=8.8.8.8"}, http.StatusTooManyRequests},
	} {
		if status := c.who.waits(wss, c.headers...); status != c.want {
			s.t.Errorf("%s is answered %d, want %d", c.name, status, c.want)
		}
	}
	if s.logged("8.8.8.8") > 0 || s.logged("9.9.9.9") > 0 {
		s.t.Error("the log has an address that somebody has only claimed")
	}
}

// limitsRelays lets each of two clients have one allocation.
func (s *street) limitsRelays(a, b *visitor) {
	s.t.Helper()
	for _, c := range []struct {
		who        *visitor
		name, user string
		want       int
	}{
		{a, "the first client", "ann", 0},
		{a, "the first client, under another name", "bob", 486},
		{b, "the second client", "cleo", 0},
	} {
		if code := c.who.turnTLS(c.user).allocate(); int(code) != c.want {
			s.t.Errorf("an Allocate of %s is answered %d, want %d", c.name, code, c.want)
		}
	}
}
