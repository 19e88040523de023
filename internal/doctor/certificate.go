package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// soonDays is when a certificate ought to have been renewed: those of Let's
// Encrypt are, a month before.
const soonDays = 14

// judgeCertificate is what a chain of certificates means, the server's first.
func judgeCertificate(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) Check {
	c := Check{ID: "tls", Status: Fail}
	if len(chain) == 0 {
		c.Cause, c.Seen = TLSUntrusted, "the server has shown no certificate"
		return c
	}
	leaf := chain[0]
	left := leaf.NotAfter.Sub(now)
	days := int(math.Floor(left.Hours() / 24))
	switch {
	case left <= 0:
		c.Cause, c.Seen = TLSExpired, "expired on "+leaf.NotAfter.UTC().Format(time.DateTime)
		c.Fix = "renew it: the program does so by itself with " + setting + "DOMAIN if 443/tcp or 80/tcp is open to the world; else put the new pair into " + setting + "TLS_CERT_FILE and " + setting + "TLS_KEY_FILE (or your proxy) and: sudo systemctl reload wasmp2pchat"
		return c
	case now.Before(leaf.NotBefore):
		c.Cause, c.Seen = TLSExpired, "not valid before "+leaf.NotBefore.UTC().Format(time.DateTime)+", says the certificate; here it is "+now.UTC().Format(time.DateTime)
		c.Fix = "sudo timedatectl set-ntp true   (on this machine and on the server), then get another certificate"
		return c
	}
	if err := leaf.VerifyHostname(host); err != nil {
		c.Cause, c.Seen = TLSName, fmt.Sprintf("the certificate is for %s", names(leaf))
		c.Fix = fmt.Sprintf("%sDOMAIN=%s, or a certificate for %s in %sTLS_CERT_FILE (or in your proxy)", setting, host, host, setting)
		return c
	}
	if err := verify(chain, roots, now); err != nil {
		c.Cause, c.Seen, c.Fix = TLSUntrusted, err.Error(), untrustedFix(chain, err)
		return c
	}
	c.Status, c.Seen = OK, fmt.Sprintf("%d days left, issued by %s", days, leaf.Issuer.CommonName)
	if days < soonDays && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soonDays*24*time.Hour {
		c.Status, c.Cause = Warn, TLSExpired
		c.Fix = "see why it is not renewed: journalctl -u wasmp2pchat | grep svc=tls   (or the log of your proxy)"
	}
	return c
}

// verify looks at the chain alone.
func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	return err
}

func untrustedFix(chain []*x509.Certificate, err error) string {
	leaf := chain[0]
	var authority x509.UnknownAuthorityError
	switch {
	case !errors.As(err, &authority):
	case leaf.Issuer.String() == leaf.Subject.String():
		return "it is signed by itself: set " + setting + "DOMAIN to get one that browsers trust; if it is meant to be so: wasmp2pchat doctor --ca FILE"
	case len(chain) == 1:
		return "put the certificates of the issuer behind the server's in " + setting + "TLS_CERT_FILE: cat server.pem intermediate.pem > fullchain.pem; of a private authority, have its root trusted: wasmp2pchat doctor --ca FILE"
	}
	return "set " + setting + "DOMAIN to get a certificate that browsers trust; of a private authority, have its root trusted: wasmp2pchat doctor --ca FILE"
}

// names are those of a certificate.
func names(c *x509.Certificate) string {
	list := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 {
		list = append(list, c.Subject.CommonName+" (as its common name, which browsers do not read)")
	}
	return strings.Join(list[:min(len(list), 5)], ", ")
}

// judgeHandshake is what it means that there is no TLS.
func judgeHandshake(err error, opening []byte) Check {
	c := Check{ID: "tls", Status: Fail}
	text := err.Error()
	switch {
	case len(opening) > 0:
		c.Cause, c.Seen = PortTaken, fmt.Sprintf("something answers %q instead of TLS", opening)
		c.Fix = "see what has the port: sudo ss -ltnp; stop it, or set " + setting + "ADDR to another port and let it pass TLS on (docs/proxies.md)"
	case strings.Contains(text, "unrecognized name"):
		c.Cause, c.Seen = TLSName, "the server has no certificate for this name"
		c.Fix = "set " + setting + "DOMAIN to the name that people type, or add it in your proxy"
	case strings.Contains(text, "internal error"):
		c.Cause, c.Seen = NotReady, "the server has no certificate yet"
		c.Fix = "journalctl -u wasmp2pchat | grep svc=tls   says why; mostly the name does not lead to the server, or 443/tcp and 80/tcp are closed"
	default:
		c.Cause, c.Seen = PortTaken, "no TLS: "+text
		c.Fix = "see what has the port: sudo ss -ltnp"
	}
	return c
}
