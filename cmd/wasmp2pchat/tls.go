package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
)

// loadCertificate reads the certificate of the settings; nil if there is none.
func loadCertificate(cfg *config) (*tls.Config, error) {
	if cfg.TLS.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		hint := "TLS_CERT_FILE holds the chain, the server's certificate first, and TLS_KEY_FILE its key, both as PEM"
		if errors.Is(err, fs.ErrPermission) {
			hint = "let the user that runs this read both files"
		}
		return nil, &hinted{err: fmt.Errorf("load the certificate: %w", err), hint: hint}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// tlsAddr is where TURN over TLS listens: nowhere without a certificate.
func tlsAddr(cfg *config, certificate *tls.Config) string {
	if certificate == nil {
		return ""
	}
	return string(cfg.TURN.TLSAddr)
}
