package address

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// metadataURL is where each of these clouds answers its machines.
	metadataURL = "http://169.254.169.254"
	// requestTimeout bounds one request: the answer comes from the host below,
	// in milliseconds, or not at all.
	requestTimeout = time.Second
	// maxAnswerBytes bounds one answer; a machine with many interfaces has a
	// few KiB.
	maxAnswerBytes = 64 << 10
	// maxAnswerAddrs bounds the addresses that are taken from one source.
	maxAnswerAddrs = 64
	// tokenTTL is what the token of IMDSv2 lives: one round.
	tokenTTL = "60"
)

// dialer makes connections, as net.Dialer does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// metadata asks the service of a cloud. It knows no proxy, because the service
// is on this machine's own link, and follows no redirect.
type metadata struct {
	client *http.Client
	base   string // without a slash at the end
}

func newMetadata(base string, dial dialer) *metadata {
	return &metadata{base: base, client: &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			DisableKeepAlives:      true, // nothing stays open between two rounds
			DisableCompression:     true, // what is bounded is what was sent
			MaxResponseHeaderBytes: maxAnswerBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       requestTimeout,
	}}
}

// question is one thing to ask of a service.
type question struct {
	path   string
	header [2]string // a name and a value that the service wants
	answer [2]string // a header that proves who answers, or nothing
	parse  func(body []byte) ([]netip.Addr, error)
}

// questions are what a cloud is asked, from its public documentation:
//
//	AWS           Instance metadata categories: public-ipv4, ipv6
//	GCP           Predefined metadata keys: network-interfaces/
//	Azure         Instance Metadata Service: network; a public address of the
//	              Standard SKU is only in loadbalancer
//	OCI           Getting Instance Metadata: vnics/, which has IPv6 but not the
//	              public IPv4 address
//	Hetzner       Server metadata: public-ipv4; IPv6 is on the interface
//	DigitalOcean  Metadata API: interfaces/public/0, reserved_ip
func questions(cloud Cloud) []question {
	switch cloud {
	case AWS: // the token is added by ask
		return []question{
			{path: "/latest/meta-data/public-ipv4", parse: parseText},
			{path: "/latest/meta-data/ipv6", parse: parseText},
		}
	case GCP:
		flavor := [2]string{"Metadata-Flavor", "Google"}
		return []question{{path: "/computeMetadata/v1/instance/network-interfaces/?recursive=true", header: flavor, answer: flavor, parse: parseGCP}}
	case Azure:
		header := [2]string{"Metadata", "true"}
		return []question{
			{path: "/metadata/instance/network?api-version=2021-02-01", header: header, parse: parseAzureNetwork},
			{path: "/metadata/loadbalancer?api-version=2020-10-01", header: header, parse: parseAzureBalancer},
		}
	case OCI:
		return []question{{path: "/opc/v2/vnics/", header: [2]string{"Authorization", "Bearer Oracle"}, parse: parseOCI}}
	case Hetzner:
		return []question{{path: "/hetzner/v1/metadata/public-ipv4", parse: parseText}}
	case DigitalOcean:
		return []question{
			{path: "/metadata/v1/interfaces/public/0/ipv4/address", parse: parseText},
			{path: "/metadata/v1/interfaces/public/0/ipv6/address", parse: parseText},
			{path: "/metadata/v1/reserved_ip/ipv4/ip_address", parse: parseText},
		}
	}
	return nil
}

// ask asks all questions of a cloud at once. Addresses come back also beside an
// error, when one of several questions had no answer.
func (m *metadata) ask(ctx context.Context, cloud Cloud) ([]netip.Addr, error) {
	list := questions(cloud)
	if cloud == AWS {
		token, err := m.token(ctx)
		if err != nil {
			return nil, err
		}
		for i := range list {
			list[i].header = [2]string{"X-aws-ec2-metadata-token", token}
		}
	}
	found, errs := make([][]netip.Addr, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	for i, q := range list {
		wg.Go(func() { found[i], errs[i] = m.one(ctx, q) })
	}
	wg.Wait()
	var addrs []netip.Addr
	for _, some := range found {
		addrs = append(addrs, some...)
	}
	return addrs, errors.Join(errs...)
}

// askEvery asks every cloud at once, for a machine whose firmware names none. It
// fails when none answers.
func (m *metadata) askEvery(ctx context.Context) ([]netip.Addr, error) {
	clouds := Clouds()
	found, errs := make([][]netip.Addr, len(clouds)), make([]error, len(clouds))
	var wg sync.WaitGroup
	for i, cloud := range clouds {
		wg.Go(func() { found[i], errs[i] = m.ask(ctx, cloud) })
	}
	wg.Wait()
	var addrs []netip.Addr
	for i := range clouds {
		addrs = append(addrs, found[i]...)
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	return nil, errors.Join(errs...)
}

// token opens a session of IMDSv2, which a machine may insist on.
func (m *metadata) token(ctx context.Context) (string, error) {
	body, err := m.fetch(ctx, http.MethodPut, question{
		path:   "/latest/api/token",
		header: [2]string{"X-aws-ec2-metadata-token-ttl-seconds", tokenTTL},
	})
	if errors.Is(err, context.DeadlineExceeded) {
		// The answer to this one request has a small TTL and is lost on its
		// way into a container.
		return "", fmt.Errorf("%w: in a container, allow a second hop: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2", err)
	}
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(body))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("PUT /latest/api/token: the answer is not a token")
	}
	return token, nil
}

// one asks one question. A service that knows of no such thing, 404 or 204, has
// answered: there is no such address.
func (m *metadata) one(ctx context.Context, q question) ([]netip.Addr, error) {
	body, err := m.fetch(ctx, http.MethodGet, q)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	addrs, err := q.parse(body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", q.path, err)
	}
	return addrs, nil
}

// fetch makes one request and returns its body, empty for 404 and 204.
func (m *metadata) fetch(ctx context.Context, method string, q question) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.base+q.path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, q.path, err)
	}
	if q.header[0] != "" {
		req.Header.Set(q.header[0], q.header[1])
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, err // names the method and the URL already
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case q.answer[0] != "" && resp.Header.Get(q.answer[0]) != q.answer[1]:
		return nil, fmt.Errorf("%s %s: the answer lacks %s: %s", method, q.path, q.answer[0], q.answer[1])
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusNoContent:
		return nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s %s: status %d", method, q.path, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, q.path, err)
	}
	if len(body) > maxAnswerBytes {
		return nil, fmt.Errorf("%s %s: the answer is larger than %d bytes", method, q.path, maxAnswerBytes)
	}
	return body, nil
}

// errNoAddress is returned for an answer that holds something else.
var errNoAddress = errors.New("the answer is not an address")

// parseText reads an answer that is one address, or nothing.
func parseText(body []byte) ([]netip.Addr, error) {
	text := strings.TrimSpace(string(body))
	if text == "" {
		return nil, nil
	}
	addr, ok := parseAddr(text)
	if !ok {
		return nil, errNoAddress
	}
	return []netip.Addr{addr}, nil
}

func parseGCP(body []byte) ([]netip.Addr, error) {
	var interfaces []struct {
		AccessConfigs []struct{ ExternalIP string }
		IPv6s         []string
	}
	if err := json.Unmarshal(body, &interfaces); err != nil {
		return nil, errNoAddress
	}
	var texts []string
	for _, i := range interfaces {
		for _, access := range i.AccessConfigs {
			texts = append(texts, access.ExternalIP)
		}
		texts = append(texts, i.IPv6s...)
	}
	return parseAddrs(texts)
}

func parseAzureNetwork(body []byte) ([]netip.Addr, error) {
	var network struct {
		Interface []struct {
			IPv4, IPv6 struct {
				IPAddress []struct{ PrivateIPAddress, PublicIPAddress string }
			}
		}
	}
	if err := json.Unmarshal(body, &network); err != nil {
		return nil, errNoAddress
	}
	var texts []string
	for _, i := range network.Interface {
		for _, a := range append(i.IPv4.IPAddress, i.IPv6.IPAddress...) {
			texts = append(texts, a.PublicIPAddress)
		}
	}
	return parseAddrs(texts)
}

func parseAzureBalancer(body []byte) ([]netip.Addr, error) {
	var answer struct {
		LoadBalancer struct {
			PublicIPAddresses []struct{ FrontendIPAddress string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, errNoAddress
	}
	var texts []string
	for _, a := range answer.LoadBalancer.PublicIPAddresses {
		texts = append(texts, strings.Trim(a.FrontendIPAddress, "[]")) // IPv6 comes in brackets
	}
	return parseAddrs(texts)
}

func parseOCI(body []byte) ([]netip.Addr, error) {
	var vnics []struct{ IPv6Addresses []string }
	if err := json.Unmarshal(body, &vnics); err != nil {
		return nil, errNoAddress
	}
	var texts []string
	for _, v := range vnics {
		texts = append(texts, v.IPv6Addresses...)
	}
	return parseAddrs(texts)
}

// parseAddrs reads a bounded list of addresses. An empty text is an address
// that a machine does not have.
func parseAddrs(texts []string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, text := range texts {
		if text == "" {
			continue
		}
		addr, ok := parseAddr(text)
		if !ok || len(addrs) == maxAnswerAddrs {
			return nil, errNoAddress
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// parseAddr reads an address that one machine can have.
func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, false
	}
	return unicast(addr)
}

// unicast accepts an address that one machine can have and others can reach:
// no zone, no loopback, nothing link-local, no multicast.
func unicast(addr netip.Addr) (netip.Addr, bool) {
	addr = addr.Unmap()
	return addr, addr.Zone() == "" && addr.IsGlobalUnicast()
}
