package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/certs"
)

// openCertificate reads the certificate of the settings, or prepares to get one
// for DOMAIN; nil: neither is set, and there is no TLS. Renewed is called when
// there is another one.
func openCertificate(cfg *config, addresses func() []netip.Addr, renewed func(), log *slog.Logger) (*certs.Keeper, error) {
	if !cfg.hasTLS() {
		return nil, nil
	}
	keeper, err := certs.New(certs.Config{
		Domain: cfg.Domain, CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile,
		CA: string(cfg.TLS.ACMECA), CARoot: cfg.TLS.ACMECARoot, Email: cfg.TLS.ACMEEmail, Dir: cfg.StateDir,
		Addresses: addresses, Changed: renewed, SkipDNSCheck: proxiedElsewhere(cfg), Log: log,
	})
	switch {
	case err == nil:
		return keeper, nil
	case errors.Is(err, fs.ErrPermission): // it says which command helps
		return nil, err
	case cfg.TLS.CertFile != "":
		return nil, &hinted{err: err, hint: "set " + prefix + "TLS_CERT_FILE and " + prefix + "TLS_KEY_FILE to a certificate with its intermediates and to the key that belongs to it, PEM"}
	default:
		return nil, &hinted{err: err, hint: "set " + prefix + "DOMAIN, " + prefix + "TLS_ACME_CA, " + prefix + "TLS_ACME_CA_ROOT and " + prefix + "STATE_DIR so that a certificate can be had, or leave DOMAIN away"}
	}
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
