package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// domain is the name of the server: every laboratory knows it, and nobody else asks.
const domain = "chat.example.org"

// credentials are the files with which the server proves to be domain, and by which
// visitors know that.
type credentials struct {
	chain, key string // the server's
	root       string // the authority's
	pin        string // base64 of the SHA-256 of the server's public key, as Chromium wants it
}

// newCredentials makes an authority for this run, has it vouch for domain, and
// forgets its key.
func newCredentials(dir string) (c credentials, err error) {
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of the laboratory"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	root, rootErr := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	leaf, leafErr := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), caKey)
	private, keyErr := x509.MarshalPKCS8PrivateKey(key)
	public, pinErr := x509.MarshalPKIXPublicKey(key.Public())
	if err := errors.Join(rootErr, leafErr, keyErr, pinErr); err != nil {
		return c, err
	}
	hash := sha256.Sum256(public)
	c = credentials{
		chain: filepath.Join(dir, "chain.pem"), key: filepath.Join(dir, "key.pem"), root: filepath.Join(dir, "root.pem"),
		pin: base64.StdEncoding.EncodeToString(hash[:]),
	}
	return c, errors.Join(
		writePEM(c.chain, "CERTIFICATE", leaf),
		writePEM(c.key, "PRIVATE KEY", private),
		writePEM(c.root, "CERTIFICATE", root))
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
