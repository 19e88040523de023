package redisdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// oldest is the version of Redis that has all that is needed: sharded pub/sub came with 7.0.
const oldest = 7

// ACL are the rights that this program needs, as ACL SETUSER takes them behind
// the name and the password of a user:
//
//	ACL SETUSER wasmp2pchat on >password ~wasmp2pchat:* &wasmp2pchat:* -@all …
//
// It reads and writes what is its own, runs scripts, and asks a cluster for its
// nodes; nothing that is dangerous or an administrator's.
const ACL = "~" + Prefix + "* &" + Prefix + "* -@all +@read +@write +@stream +@pubsub +@scripting +@transaction +@connection +time +cluster|slots +cluster|shards -@dangerous -@admin"

// SentinelACL are the rights that it needs of Sentinels that ask who we are.
const SentinelACL = "&* -@all +@connection +subscribe +unsubscribe +psubscribe +punsubscribe +sentinel|get-master-addr-by-name +sentinel|sentinels"

// errOld is a server that is older than oldest.
var errOld = errors.New("it is older than Redis 7, which is needed (Valkey of any version will do)")

// examine finds out whether we may do there what we need, on a key that goes again.
func examine(ctx context.Context, c rueidis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	hello, err := c.Do(ctx, c.B().Hello().Build()).AsMap()
	if err != nil {
		if _, answered := rueidis.IsRedisErr(err); answered && strings.Contains(err.Error(), "unknown command") {
			return errOld
		}
		return err
	}
	mode := hello["mode"]
	if is, _ := mode.ToString(); is == "sentinel" {
		return errIsSentinel
	}
	version := hello["version"]
	text, _ := version.ToString()
	major, _, _ := strings.Cut(text, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return fmt.Errorf("%w: it says %q", errOld, text)
	}
	const key = Prefix + "{examined}"
	for _, command := range []rueidis.Completed{
		c.B().Eval().Script("redis.call('TIME') return redis.call('HSET', KEYS[1], 'a', 'b')").Numkeys(1).Key(key + ":hash").Build(),
		c.B().Hgetall().Key(key + ":hash").Build(),
		c.B().Pexpire().Key(key + ":hash").Milliseconds(1000).Build(),
		c.B().Xadd().Key(key+":stream").Maxlen().Almost().Threshold("1").Id("*").FieldValue().FieldValue("a", "b").Build(),
		c.B().Xread().Count(1).Streams().Key(key + ":stream").Id("0").Build(),
		c.B().Del().Key(key + ":stream").Build(),
		c.B().Spublish().Channel(key).Message("").Build(),
	} {
		if err := c.Do(ctx, command).Error(); err != nil && !rueidis.IsRedisNil(err) {
			return err
		}
	}
	return nil
}

// Servers of the wrong kind.
var (
	errIsSentinel = errors.New("it is a Sentinel: write redis+sentinel:// and the name of the primary behind the hosts")
	errNoSentinel = errors.New("it is no Sentinel: write redis://, or the port of the Sentinel")
	errNoPrimary  = errors.New("the Sentinels watch no primary of that name: look at sentinel monitor in their files")
	errNoCluster  = errors.New("several hosts are those of a cluster, and it is in none: name one host, or Sentinels")
)

// kind finds what an answer says of the kind of the server.
func kind(answer string) error {
	switch {
	case strings.Contains(answer, "unknown command 'SENTINEL'"):
		return errNoSentinel
	case strings.Contains(answer, "No such master with that name"):
		return errNoPrimary
	case strings.Contains(answer, "cluster support disabled"):
		return errNoCluster
	}
	return nil
}

// advices are what an operator does about an answer, by how it begins; all are in
// docs/redis.md.
func advices() map[string]string {
	return map[string]string{
		"NOAUTH":      "it wants a password: write it into the address, redis://[user]:password@host",
		"WRONGPASS":   "the user or the password in the address is wrong, or the user is off",
		"NOPERM":      "the user may not do that: give it the rights in docs/redis.md",
		"MISCONF":     "it cannot save to its disk and so takes no writes: make room there, or switch saving off, which we do not need (CONFIG SET save \"\")",
		"READONLY":    "it is a replica: name the primary in the address, or the Sentinels that know it",
		"OOM":         "its memory is full: raise its maxmemory, or give us a server of our own",
		"LOADING":     "it reads its files and will be ready soon",
		"MASTERDOWN":  "it is a replica that has lost its primary: name the primary, or the Sentinels that know it",
		"NOREPLICAS":  "it has fewer replicas than min-replicas-to-write asks for: mend them, or lower that",
		"CLUSTERDOWN": "its cluster has slots that nobody serves: see CLUSTER INFO there",
		"BUSY":        "it runs a script of somebody that does not end: SCRIPT KILL there",
		"DENIED":      "it is in protected mode: set a password there, or bind it to an address that is not public",
	}
}

// explain says in words what is wrong, the same for the same fault: what changes
// with each try, as the port of our own socket, is left out.
func explain(err error) error {
	if answer, ok := rueidis.IsRedisErr(err); ok {
		text := answer.Error()
		if err := kind(text); err != nil {
			return err
		}
		code, _, _ := strings.Cut(text, " ")
		if code == "NOPERM" { // which names the command, or the key
			return fmt.Errorf("%s (%s)", advices()[code], text)
		}
		if words := advices()[code]; words != "" {
			return fmt.Errorf("%s (%s)", words, code)
		}
		return errors.New(text)
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var header tls.RecordHeaderError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, errForgot), errors.Is(err, errOld), errors.Is(err, errSilent), errors.Is(err, errEnds), errors.Is(err, errIsSentinel):
		return err
	case errors.Is(err, rueidis.ErrNoSlot):
		return errors.New(advices()["CLUSTERDOWN"])
	case errors.As(err, &unknown):
		return errors.New("nobody whom we trust vouches for its certificate: name the CA with ?ca_file=/path/ca.pem")
	case errors.As(err, &name):
		return fmt.Errorf("its certificate is for somebody else: name whom it is for with ?server_name= (%w)", name)
	case errors.As(err, &header):
		return errors.New("it does not speak TLS there: write redis:// instead of rediss://, or its tls-port")
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s is not known: look at the address", dns.Name)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errors.New("it does not answer: look whether it runs, and at what is between us")
	case ended(err):
		return errors.New("the connection ended")
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("connect to %v: %w", op.Addr, op.Err)
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// ended reports whether an error is the end of a connection.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, rueidis.ErrClosing) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
