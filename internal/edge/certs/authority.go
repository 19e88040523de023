package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

const (
	// orderTimeout bounds one order, from the directory to the certificate.
	orderTimeout = 5 * time.Minute

	// requestTimeout bounds one request of it.
	requestTimeout = 30 * time.Second

	// nonceRetries is how often a request is sent again because its nonce was
	// stale, which RFC 8555 §6.5 expects, after noncePause. Nothing else is
	// sent again within an order.
	nonceRetries = 5
	noncePause   = 100 * time.Millisecond
)

// authority is an ACME server.
type authority struct {
	directory string
	email     string
	keyFile   string // the account's; made when it is missing
	http      *http.Client
	proofs    *proofs
}

// newAuthority does not ask the server anything.
func newAuthority(cfg Config, keyFile string, p *proofs) (*authority, error) {
	if u, err := url.Parse(cfg.CA); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the directory of a certificate authority is an https URL such as %s, not %q", LetsEncrypt, cfg.CA)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: requestTimeout,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if cfg.CARoot != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		text, err := readFile(cfg.CARoot)
		if err != nil {
			return nil, fmt.Errorf("root of the certificate authority: %w", err)
		}
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("root of the certificate authority: %s has no PEM block CERTIFICATE", cfg.CARoot)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &authority{
		directory: cfg.CA, email: cfg.Email, keyFile: keyFile, proofs: p,
		http: &http.Client{Transport: transport, Timeout: requestTimeout},
	}, nil
}

// issue places one order and proves the domain in one way. The answer is a PEM
// text: the key, the certificate, its intermediates.
func (a *authority) issue(ctx context.Context, domain, challenge string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	defer a.http.CloseIdleConnections()
	client, err := a.client(ctx)
	if err != nil {
		return nil, err
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(domain))
	if err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	for _, at := range order.AuthzURLs {
		if err := a.prove(ctx, client, at, domain, challenge); err != nil {
			return nil, fmt.Errorf("prove the name by %s: %w", challenge, err)
		}
	}
	if order, err = client.WaitOrder(ctx, order.URI); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	return finish(ctx, client, order, domain)
}

// client opens the account, and makes it when there is none.
func (a *authority) client(ctx context.Context) (*acme.Client, error) {
	key, err := a.accountKey()
	if err != nil {
		return nil, err
	}
	client := &acme.Client{
		Key: key, HTTPClient: a.http, DirectoryURL: a.directory, UserAgent: "wasmp2pchat",
		RetryBackoff: func(n int, _ *http.Request, resp *http.Response) time.Duration {
			if resp.StatusCode == http.StatusBadRequest && n <= nonceRetries {
				return noncePause
			}
			return 0
		},
	}
	if _, err := client.Discover(ctx); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	account := new(acme.Account)
	if a.email != "" {
		account.Contact = []string{"mailto:" + a.email}
	}
	_, err = client.Register(ctx, account, acme.AcceptTOS)
	if err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, fmt.Errorf("account: %w", err)
	}
	return client, nil
}

// accountKey reads the key of the account, or makes it.
func (a *authority) accountKey() (crypto.Signer, error) {
	text, err := readFile(a.keyFile)
	if err == nil {
		return parseKey(text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("account key: %w", err)
	}
	key, text, err := newKey()
	if err == nil {
		err = durable.Write(a.keyFile, text)
	}
	return key, err
}

// prove lets the server see that the domain is ours.
func (a *authority) prove(ctx context.Context, client *acme.Client, at, domain, challenge string) error {
	authz, err := client.GetAuthorization(ctx, at)
	if err != nil || authz.Status == acme.StatusValid {
		return err
	}
	defer a.proofs.forget()
	for _, c := range authz.Challenges {
		if c.Type != challenge {
			continue
		}
		if err := a.expect(client, c, domain); err != nil {
			return err
		}
		if _, err := client.Accept(ctx, c); err != nil {
			return err
		}
		_, err := client.WaitAuthorization(ctx, at)
		return err
	}
	return errors.New("the certificate authority does not offer it")
}

// expect prepares the answer to one question.
func (a *authority) expect(client *acme.Client, c *acme.Challenge, domain string) error {
	if c.Type == HTTP01 {
		reply, err := client.HTTP01ChallengeResponse(c.Token)
		if err == nil {
			a.proofs.expectHTTP(client.HTTP01ChallengePath(c.Token), reply)
		}
		return err
	}
	cert, err := client.TLSALPN01ChallengeCert(c.Token, domain)
	if err == nil {
		a.proofs.expectTLS(domain, &cert)
	}
	return err
}

// finish has the certificate made for a new key.
func finish(ctx context.Context, client *acme.Client, order *acme.Order, domain string) ([]byte, error) {
	key, text, err := newKey()
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{domain}}, key)
	if err != nil {
		return nil, err
	}
	chain, _, err := client.CreateCertFromOrder(ctx, order, csr, true)
	if err != nil {
		return nil, fmt.Errorf("finalize: %w", err)
	}
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text, nil
}

// newKey is a P-256 key, which every client of TLS knows.
func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
