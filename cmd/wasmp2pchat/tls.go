package main

import (
	"errors"
	"log/slog"
	"net/netip"
	"net/url"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/certs"
)

// openCertificate reads the certificate of the settings, or prepares to get one
// for DOMAIN; nil: neither is set, and there is no TLS. Renewed is called when
// there is another one.
func openCertificate(cfg *config, addresses func() []netip.Addr, renewed func(), log *slog.Logger) (*certs.Keeper, error) {
	if cfg.TLS.CertFile == "" && cfg.Domain == "" {
		return nil, nil
	}
	return certs.New(certs.Config{
		Domain: cfg.Domain, CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile,
		CA: string(cfg.TLS.ACMECA), CARoot: cfg.TLS.ACMECARoot, Email: cfg.TLS.ACMEEmail, Dir: cfg.StateDir,
		Addresses: addresses, Changed: renewed, SkipDNSCheck: proxiedElsewhere(cfg), Log: log,
	})
}

// tlsAddr is where TURN over TLS listens besides the public port: nowhere
// without a certificate.
func tlsAddr(cfg *config, f *front) string {
	if f.certificate == nil {
		return ""
	}
	return string(cfg.TURN.TLSAddr)
}

// acmeURL is the directory of a certificate authority.
type acmeURL string

// UnmarshalText takes an https URL: RFC 8555 §6.1 allows no other.
func (a *acmeURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("the https URL of an ACME directory, such as https://acme-v02.api.letsencrypt.org/directory")
	}
	*a = acmeURL(text)
	return nil
}
