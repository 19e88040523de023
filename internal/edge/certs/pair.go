package certs

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// soon is how long before its end a certificate from files is warned of.
// Whoever renews by plan does it a month before.
const soon = 14 * 24 * time.Hour

// errPair is a certificate and a key that do not belong together: somebody is
// in the middle of replacing them, or has mixed them up.
var errPair = errors.New("the key does not belong to the certificate")

// parsePair reads a certificate chain and its key. It puts the certificate
// first that the key belongs to, wherever it stood.
func parsePair(chain, key []byte) (cert *tls.Certificate, sorted bool, err error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, false, err
	}
	signer, err := parseKey(key)
	if err != nil {
		return nil, false, err
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, false, fmt.Errorf("a key of type %T cannot be used", signer)
	}
	at := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return public.Equal(c.PublicKey) })
	if at < 0 {
		return nil, false, errPair
	}
	leaf := certs[at]
	cert = &tls.Certificate{PrivateKey: signer, Leaf: leaf, Certificate: [][]byte{leaf.Raw}}
	for _, c := range slices.Delete(certs, at, at+1) {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, at != 0, nil
}

// parseChain reads every certificate of a PEM text.
func parseChain(text []byte) (certs []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("read the certificate: there is no PEM block CERTIFICATE")
	}
	return certs, nil
}

// parseKey reads the first private key of a PEM text, in any of the three ways
// to write one.
func parseKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")) {
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			key, err = firstOf(block.Bytes)
		}
		if err != nil {
			return nil, errors.New("read the key: it is none, or one with a pass phrase")
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("a key of type %T cannot be used", key)
		}
		return signer, nil
	}
	return nil, errors.New("read the key: there is no PEM block PRIVATE KEY")
}

// firstOf reads the forms of key that are older than PKCS #8.
func firstOf(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

// complaint is something that visitors will stumble over.
type complaint struct{ what, hint string }

// complaints looks at a pair that can be used.
func complaints(cert *tls.Certificate, sorted bool, domain string, now time.Time) (list []complaint) {
	leaf := cert.Leaf
	if sorted {
		list = append(list, complaint{"certificate file has the leaf not first", "put the server's own certificate first, then its intermediates"})
	}
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		list = append(list, complaint{"certificate has run out", "renew it: browsers refuse it since " + leaf.NotAfter.Format(time.RFC3339)})
	case left < soon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soon:
		list = append(list, complaint{"certificate runs out soon", "renew it before " + leaf.NotAfter.Format(time.RFC3339)})
	}
	if now.Before(leaf.NotBefore) {
		list = append(list, complaint{"certificate is not valid yet", "look at this machine's clock, or wait until " + leaf.NotBefore.Format(time.RFC3339)})
	}
	if domain != "" && leaf.VerifyHostname(domain) != nil {
		list = append(list, complaint{"certificate is for another name than DOMAIN", fmt.Sprintf("it is for %v, visitors ask for %s", namesOf(leaf), domain)})
	}
	if !complete(cert) {
		list = append(list, complaint{"certificate file lacks an intermediate", fmt.Sprintf("nothing in it signed by %q leads to a root: use the full chain, with certbot fullchain.pem; all is well if clients have that issuer as a root", leaf.Issuer)})
	}
	return list
}

// complete reports whether a client that knows the roots can follow the chain:
// each certificate is signed by the next, and what the last one is signed by
// is itself, or a root of this machine, or not to be found out.
func complete(cert *tls.Certificate) bool {
	last := cert.Leaf
	for _, der := range cert.Certificate[1:] {
		issuer, err := x509.ParseCertificate(der)
		if err != nil || last.CheckSignatureFrom(issuer) != nil {
			return false
		}
		last = issuer
	}
	if last != cert.Leaf || bytes.Equal(last.RawIssuer, last.RawSubject) {
		return true
	}
	_, err := last.Verify(x509.VerifyOptions{CurrentTime: last.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// namesOf lists what a certificate is for.
func namesOf(leaf *x509.Certificate) []string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
