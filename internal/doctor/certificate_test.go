package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	roots *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, roots: x509.NewCertPool()}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now().AddDate(-1, 0, 0), NotAfter: now().AddDate(1, 0, 0),
	}
	a.cert = sign(t, root, root, key, key)
	a.roots.AddCert(a.cert)
	return a
}

func (a *authority) issue(t *testing.T, name string, from, until time.Time) *x509.Certificate {
	t.Helper()
	return sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: until,
	}, a.cert, a.key, a.key)
}

func sign(t *testing.T, c, parent *x509.Certificate, of, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func ofCertificates(t *testing.T) []verdict {
	t.Helper()
	ours, theirs := newAuthority(t), newAuthority(t)
	const name = "chat.example.org"
	day := 24 * time.Hour
	judge := func(c *x509.Certificate) []Check {
		return []Check{judgeCertificate([]*x509.Certificate{c}, name, ours.roots, now())}
	}
	shook := func(err error, opening string) []Check { return []Check{judgeHandshake(err, []byte(opening))} }
	return []verdict{
		{"a good certificate", judge(ours.issue(t, name, now().Add(-day), now().Add(60*day))), OK, "", ""},
		{"one that lives a week", judge(ours.issue(t, name, now().Add(-day), now().Add(6*day))), OK, "", ""},
		{"one that was not renewed", judge(ours.issue(t, name, now().Add(-80*day), now().Add(10*day))), Warn, TLSExpired, "journalctl"},
		{"one that has expired", judge(ours.issue(t, name, now().Add(-90*day), now().Add(-time.Minute))), Fail, TLSExpired, "renew"},
		{"one of tomorrow", judge(ours.issue(t, name, now().Add(time.Minute), now().Add(90*day))), Fail, TLSExpired, "set-ntp"},
		{"one for another name", judge(ours.issue(t, "other.example.org", now().Add(-day), now().Add(60*day))), Fail, TLSName, "WASMP2PCHAT_DOMAIN=" + name},
		{"one of nobody", judge(theirs.issue(t, name, now().Add(-day), now().Add(60*day))), Fail, TLSUntrusted, "--ca FILE"},
		{"one signed by itself", []Check{judgeCertificate([]*x509.Certificate{selfSigned(t, name)}, name, ours.roots, now())}, Fail, TLSUntrusted, "signed by itself"},
		{"none", []Check{withFix(judgeCertificate(nil, name, ours.roots, now()))}, Fail, TLSUntrusted, ""},
		{"ssh", shook(errors.New("first record does not look like a TLS handshake"), "SSH-2"), Fail, PortTaken, "ss -ltnp"},
		{"a server without that name", shook(errors.New("remote error: tls: unrecognized name"), ""), Fail, TLSName, "DOMAIN"},
		{"a server without a certificate yet", shook(errors.New("remote error: tls: internal error"), ""), Fail, NotReady, "journalctl"},
		{"something else", shook(errors.New("EOF"), ""), Fail, PortTaken, "ss -ltnp"},
	}
}

// withFix is a check of which only the cause counts.
func withFix(c Check) Check { c.Fix += "-"; return c }

func selfSigned(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: now().AddDate(0, -1, 0), NotAfter: now().AddDate(1, 0, 0)}
	return sign(t, c, c, key, key)
}
