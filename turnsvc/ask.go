package turnsvc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// reachTimeout bounds the question whether clients can come by one way.
const reachTimeout = 3 * time.Second

// Over UDP the question is asked again after half a second and after twice that
// once more, as RFC 8489 §6.2.1 does.
const askAgain = 500 * time.Millisecond

// errRefused is about certificates that a client would not take.
var errRefused = errors.New("browsers will refuse the certificate")

var errNoAnswer = errors.New("no answer to a Binding request")

// ask sends a Binding request along a way, as a client would. A certificate whose
// issuer this machine does not know is told as distrust, for a browser may know
// it; everything else that is wrong with it is an error.
func (s *Server) ask(ctx context.Context, w way) (distrust, err error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if w.transport != "tls" {
		return nil, ask(ctx, w, nil)
	}
	if err := s.lacksCertificate(); err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: s.cfg.Domain, RootCAs: s.cfg.roots, MinVersion: tls.VersionTLS12}
	err = ask(ctx, w, config)
	var doubt *tls.CertificateVerificationError
	if !errors.As(err, &doubt) {
		return nil, err
	}
	distrust = fmt.Errorf("%w: %w", errRefused, doubt.Err)
	config.RootCAs = x509.NewCertPool() // the name and the time must be right all the same
	config.RootCAs.AddCert(doubt.UnverifiedCertificates[0])
	if err = ask(ctx, w, config); errors.As(err, &doubt) {
		err = fmt.Errorf("%w: %w", errRefused, doubt.Err)
	}
	return distrust, err
}

// lacksCertificate says why handshakes fail for now, in the words of who keeps the
// certificate; the client of a failed one learns of an internal error only.
func (s *Server) lacksCertificate() error {
	if s.cfg.TLS == nil || s.cfg.TLS.GetCertificate == nil {
		return nil
	}
	_, err := s.cfg.TLS.GetCertificate(&tls.ClientHelloInfo{ServerName: s.cfg.Domain})
	return err
}

// ask sends a Binding request along a way, over TLS if there is a config.
func ask(ctx context.Context, w way, config *tls.Config) error {
	network := "tcp"
	if w.transport == "udp" {
		network = "udp"
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, w.asked.String())
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }() // it was used
	due, _ := ctx.Deadline()
	if err := raw.SetDeadline(due); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // somebody waits no more
	defer stop()
	conn := raw
	if config != nil {
		secure := tls.Client(raw, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("tls handshake: %w", err)
		}
		conn = secure
	}
	if network == "udp" {
		return bindUDP(ctx, conn)
	}
	return bind(conn)
}

// bind sends a Binding request down a stream and waits for the answer.
func bind(conn net.Conn) error {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return err
	}
	if _, err := conn.Write(m.Raw); err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	frame, err := gate.NewReader(conn).Next()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if !answers(frame, m) {
		return errNoAnswer
	}
	return nil
}

// bindUDP sends a Binding request until there is an answer.
func bindUDP(ctx context.Context, conn net.Conn) error {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return err
	}
	due, _ := ctx.Deadline()
	p := make([]byte, gate.MaxFrameBytes)
	var last error
	for wait := askAgain; time.Now().Before(due) && ctx.Err() == nil; wait *= 2 {
		if _, err := conn.Write(m.Raw); err != nil {
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		until := time.Now().Add(wait)
		if until.After(due) {
			until = due
		}
		if err := conn.SetReadDeadline(until); err != nil {
			return err
		}
		n, err := conn.Read(p)
		switch {
		case err == nil && answers(p[:n], m):
			return nil
		case errors.Is(err, net.ErrClosed) || err != nil && !isTimeout(err):
			return fmt.Errorf("%w: %w", errNoAnswer, err) // the port is closed, says ICMP
		}
		last = err
	}
	return errors.Join(errNoAnswer, last)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// answers reports whether a message is the answer to a Binding request.
func answers(raw []byte, request *stun.Message) bool {
	m := &stun.Message{Raw: raw}
	return m.Decode() == nil && m.TransactionID == request.TransactionID && m.Type == stun.BindingSuccess
}
