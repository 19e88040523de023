package redisdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// URL is what the forms of an address of Redis look like, for those who are asked
// for one:
//
//	redis://[user:password@]host[:6379][/db]       one server, or a node of a cluster (found out by asking)
//	rediss://…                                     the same with TLS
//	redis://host1:6379,host2:6379                  several nodes of a cluster
//	redis+sentinel://[user:password@]host1[:26379],host2/name[/db]
//	                                               the primary called name, whom Sentinels know
//	rediss+sentinel://…                            the same with TLS, also to the Sentinels
//	unix://[user:password@]/path/to/redis.sock     a socket on this machine
//
// valkey is another word for redis in each. What is not a letter or digit in a
// password is best percent-encoded. Parameters, after a question mark:
//
//	db=1                   the database, where the path does not say it
//	addr=host:port         one more node or Sentinel, as often as needed
//	master_set=name        makes redis:// one of Sentinels
//	sentinel_user=…, sentinel_password=…
//	                       who we are to the Sentinels: nobody if left out
//	ca_file=/path/ca.pem   who vouches for the server (PEM); else those whom the system trusts
//	cert_file=…, key_file=…  our own certificate and key (PEM), where the server asks for one
//	server_name=…          the name in the server's certificate, if not the host's
const URL = "redis://[user:password@]host[:port][/db], rediss://… with TLS, redis+sentinel://host1,host2/name, several hosts of a cluster with commas between them, or unix:///path/to/redis.sock"

// Bounds of what an operator may write.
const (
	maxAddresses = 32   // nodes of a cluster, or Sentinels, that are named; the others are found by asking
	maxDatabase  = 9999 // of SELECT
	redisPort    = "6379"
	sentinelPort = "26379"
)

// target is where Redis is, read from a URL.
type target struct {
	scheme            string
	socket            bool     // addresses has one path
	addresses         []string // host:port
	user, password    string
	db                int
	primary           string // its name for Sentinel; empty: no Sentinel
	sentinelUser      string
	sentinelPassword  string
	serverName        string // empty: that of the address
	tls               *tls.Config
	caFile, cert, key string
}

// String is the target without secrets.
func (t target) String() string {
	s := t.scheme + "://" + strings.Join(t.addresses, ",")
	if t.primary != "" {
		s += "/" + t.primary
	}
	if t.db != 0 && !t.socket {
		s += "/" + strconv.Itoa(t.db)
	}
	return s
}

// parse reads a URL. Its errors quote nothing that may be part of a password.
func parse(raw string) (target, error) {
	var t target
	scheme, rest, found := strings.Cut(strings.TrimSpace(raw), "://")
	if !found {
		return t, fmt.Errorf("the address of Redis is no URL: want %s", URL)
	}
	t.scheme = strings.ToLower(scheme)
	var withTLS, sentinel bool
	switch strings.ReplaceAll(strings.Replace(t.scheme, "valkey", "redis", 1), "-", "+") {
	case "redis":
	case "rediss":
		withTLS = true
	case "redis+sentinel":
		sentinel = true
	case "rediss+sentinel":
		withTLS, sentinel = true, true
	case "unix":
		t.socket = true
	default:
		return t, fmt.Errorf("the address of Redis begins with %q: want %s", t.scheme+"://", URL)
	}
	rest, query, _ := strings.Cut(rest, "?")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if err := t.credentials(rest[:i]); err != nil {
			return t, err
		}
		rest = rest[i+1:]
	}
	values, err := url.ParseQuery(query)
	if err != nil || strings.Contains(query, "@") {
		return t, errors.New("the parameters of the address of Redis cannot be read: what is not a letter or digit in a password is percent-encoded, ? as %3F and @ as %40")
	}
	if err := t.place(rest, sentinel || values.Get("master_set") != ""); err != nil {
		return t, err
	}
	if err := t.options(values); err != nil {
		return t, err
	}
	return t, t.secure(withTLS)
}

// credentials reads user:password, user or :password.
func (t *target) credentials(s string) error {
	user, password, _ := strings.Cut(s, ":")
	var errs [2]error
	t.user, errs[0] = url.PathUnescape(user)
	t.password, errs[1] = url.PathUnescape(password)
	if errs[0] != nil || errs[1] != nil {
		return errors.New("the user or the password in the address of Redis has a percent sign that begins no code: write %25")
	}
	if t.user != "" && t.password == "" {
		return errors.New("the address of Redis has a user without a password: write redis://user:password@host, or redis://:password@host for the user called default")
	}
	return nil
}

// place reads the hosts, and what is behind them.
func (t *target) place(s string, sentinel bool) error {
	if t.socket {
		if !strings.HasPrefix(s, "/") {
			return errors.New("the address of Redis has no path of a socket behind unix://: want a path from the root, as unix:///run/redis/redis.sock")
		}
		t.addresses = []string{s}
		return nil
	}
	hosts, path, _ := strings.Cut(s, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		if err := t.add(host, sentinel); err != nil {
			return err
		}
	}
	if sentinel {
		t.primary, path, _ = strings.Cut(path, "/")
	}
	if path == "" {
		return nil
	}
	return t.database(path)
}

// add adds an address.
func (t *target) add(hostport string, sentinel bool) error {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), redisPort
		if sentinel {
			port = sentinelPort
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "[]/ ") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		// Not quoted: where the host was forgotten it is the password.
		return fmt.Errorf("host number %d in the address of Redis cannot be one: want a name or an IP address and a port from 1 to 65535, as redis.example:6379 or [2001:db8::1]:6379", len(t.addresses)+1)
	}
	if len(t.addresses) == maxAddresses {
		return fmt.Errorf("the address of Redis has more than %d hosts: a few of a cluster are enough, it tells the others", maxAddresses)
	}
	t.addresses = append(t.addresses, net.JoinHostPort(host, port))
	return nil
}

// database reads the number of a database.
func (t *target) database(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxDatabase {
		// Not quoted: where the @ was forgotten it is the password.
		return errors.New("the address of Redis has a database that is none: want a number from 0, which is the usual one, behind the host, as redis://host/0")
	}
	t.db = n
	return nil
}

// parameters are the names of those behind the question mark.
func parameters() []string {
	return []string{"addr", "ca_file", "cert_file", "db", "key_file", "master_set", "sentinel_password", "sentinel_user", "server_name"}
}

// options reads what is behind the question mark.
func (t *target) options(values url.Values) error {
	known := parameters()
	for name, list := range values {
		if !slices.Contains(known, name) {
			// Not quoted: where a question mark is in the password it is the rest of that.
			return fmt.Errorf("the address of Redis has a parameter that is none: want one of %s; a question mark in a password is written %%3F", strings.Join(known, ", "))
		}
		if name != "addr" && len(list) > 1 {
			return fmt.Errorf("the address of Redis has the parameter %q more than once", name)
		}
	}
	if name := values.Get("master_set"); name != "" {
		t.primary = name
	}
	for _, host := range values["addr"] {
		if err := t.add(host, t.primary != ""); err != nil {
			return err
		}
	}
	if values.Has("db") {
		if err := t.database(values.Get("db")); err != nil {
			return err
		}
	}
	t.sentinelUser, t.sentinelPassword = values.Get("sentinel_user"), values.Get("sentinel_password")
	t.serverName, t.caFile = values.Get("server_name"), values.Get("ca_file")
	t.cert, t.key = values.Get("cert_file"), values.Get("key_file")
	switch {
	case strings.Contains(t.scheme, "sentinel") && t.primary == "":
		return errors.New("the address of Redis names Sentinels but no primary: write its name behind them, as redis+sentinel://host1,host2/mymaster")
	case t.primary == "" && len(t.addresses) > 1 && t.db != 0:
		return errors.New("the address of Redis has several nodes of a cluster and a database: a cluster has only number 0")
	case t.socket && len(t.addresses) > 1:
		return errors.New("the address of Redis is a socket and has further hosts: want one or the other")
	}
	return nil
}

// secure reads the files that TLS needs.
func (t *target) secure(withTLS bool) error {
	if !withTLS {
		if t.caFile+t.cert+t.key+t.serverName != "" {
			return errors.New("the address of Redis has parameters for TLS and begins with one without: write rediss://")
		}
		return nil
	}
	t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if t.caFile != "" {
		pem, err := os.ReadFile(t.caFile)
		if err != nil {
			return fmt.Errorf("read who vouches for Redis (ca_file): %w", err)
		}
		t.tls.RootCAs = x509.NewCertPool()
		if !t.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca_file %s of the address of Redis has no certificate in PEM", t.caFile)
		}
	}
	if t.cert+t.key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return fmt.Errorf("read our certificate for Redis (cert_file, key_file): %w", err)
	}
	t.tls.Certificates = []tls.Certificate{pair}
	return nil
}
