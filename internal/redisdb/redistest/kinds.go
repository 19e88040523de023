package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// StartTLS starts a server that speaks only TLS, with a certificate for 127.0.0.1
// by a CA of its own, which the URL names. Do and CPU cannot reach it.
func StartTLS(t testing.TB, args ...string) *Server {
	t.Helper()
	return certify(t).start(t, args...)
}

// papers are the files of a CA and of a certificate for 127.0.0.1.
type papers struct{ ca, cert, key string }

// start starts a server with them.
func (p papers) start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := start(t, find(t, "redis-server"), func(s *Server) []string {
		return append([]string{
			"--port", "0", "--tls-port", strconv.Itoa(s.Port), "--tls-auth-clients", "no",
			"--tls-ca-cert-file", p.ca, "--tls-cert-file", p.cert, "--tls-key-file", p.key,
		}, args...)
	})
	s.URL = "rediss://" + s.Addr + "?ca_file=" + url.QueryEscape(p.ca)
	return s
}

// StartTLSSentinel starts a primary without replicas and a Sentinel that watches
// it, which both speak only TLS, and returns the URL.
func StartTLSSentinel(t testing.TB) string {
	t.Helper()
	program, p := find(t, "redis-sentinel"), certify(t)
	primary := p.start(t)
	s := start(t, program, func(s *Server) []string {
		return s.sentinelFile(t, "port 0\ntls-port %d\ntls-auth-clients no\ntls-replication yes\ntls-ca-cert-file %s\ntls-cert-file %s\ntls-key-file %s\nsentinel monitor mymaster 127.0.0.1 %d 1\n",
			s.Port, p.ca, p.cert, p.key, primary.Port)
	})
	return "rediss+sentinel://" + s.Addr + "/mymaster?ca_file=" + url.QueryEscape(p.ca)
}

// sentinelFile writes the settings of a Sentinel, and returns how they are named on
// its command line.
func (s *Server) sentinelFile(t testing.TB, settings string, values ...any) []string {
	t.Helper()
	s.sentinel = true
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, "bind 127.0.0.1\ndir "+s.dir+"\n"+settings, values...), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{file}
}

// StartSocket starts a server that listens on a Unix socket, beside its port.
func StartSocket(t testing.TB, args ...string) *Server {
	t.Helper()
	s := start(t, find(t, "redis-server"), func(s *Server) []string {
		return append([]string{"--unixsocket", filepath.Join(s.dir, "redis.sock")}, args...)
	})
	s.URL = "unix://" + filepath.Join(s.dir, "redis.sock")
	return s
}

// StartReplica starts a server that copies another one.
func StartReplica(t testing.TB, of *Server) *Server {
	t.Helper()
	of.Do(t, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
	s := start(t, of.program, func(*Server) []string {
		return []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(of.Port), "--repl-diskless-sync-delay", "0"}
	})
	Until(t, func() bool { return strings.Contains(s.Do(t, "INFO", "replication"), "master_link_status:up") })
	return s
}

// Sentinels are three Sentinels that watch a primary and its replica, and take the
// replica in its place when it is gone for a second.
type Sentinels struct {
	URL              string // redis+sentinel://…
	Primary, Replica *Server
	Sentinels        [3]*Server
}

// StartSentinels starts them, and returns when each knows all others.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	program := find(t, "redis-sentinel")
	set := &Sentinels{Primary: Start(t)}
	set.Replica = StartReplica(t, set.Primary)
	var addresses []string
	for i := range set.Sentinels {
		s := start(t, program, func(s *Server) []string {
			return s.sentinelFile(t, "port %d\nsentinel monitor mymaster 127.0.0.1 %d 2\n"+
				"sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n", s.Port, set.Primary.Port)
		})
		set.Sentinels[i] = s
		addresses = append(addresses, s.Addr)
	}
	set.URL = "redis+sentinel://" + strings.Join(addresses, ",") + "/mymaster"
	for _, s := range set.Sentinels {
		Until(t, func() bool {
			about := strings.ReplaceAll(s.Do(t, "SENTINEL", "MASTER", "mymaster"), "\n", " ") + " "
			return strings.Contains(about, "num-slaves 1 ") && strings.Contains(about, "num-other-sentinels 2 ")
		})
	}
	return set
}

// StartCluster starts a cluster of three nodes without replicas, and its URL.
func StartCluster(t testing.TB) (url string, nodes [3]*Server) {
	t.Helper()
	const slots = 16384
	var addresses []string
	for i := range nodes {
		nodes[i] = Start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000")
		nodes[i].Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		nodes[i].Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/3), strconv.Itoa((i+1)*slots/3-1))
		addresses = append(addresses, nodes[i].Addr)
	}
	for _, s := range nodes[1:] {
		s.Do(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(nodes[0].Port))
	}
	for _, s := range nodes {
		Until(t, func() bool {
			info := s.Do(t, "CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return "redis://" + strings.Join(addresses, ","), nodes
}

// Spoil takes the server's folder away, so that it cannot save anything.
func (s *Server) Spoil(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
}

// Until asks until something is so, or fails the test.
func Until(t testing.TB, so func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.After(2 * patience); !so(); {
		select {
		case <-again.C:
		case <-end:
			t.Fatal("it does not come to be")
		}
	}
}

// certify makes a CA and a certificate for 127.0.0.1 that is good for an hour.
func certify(t testing.TB) papers {
	t.Helper()
	dir := t.TempDir()
	p := papers{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(file, kind string, der []byte) {
		t.Helper()
		must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the CA of the test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	write(p.ca, "CERTIFICATE", der)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	must(err)
	write(p.cert, "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	must(err)
	write(p.key, "PRIVATE KEY", der)
	return p
}
