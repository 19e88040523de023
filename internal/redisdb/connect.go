package redisdb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Bounds of a connection.
const (
	dialTimeout  = time.Second // to connect, agree on TLS and authenticate
	writeTimeout = time.Second // until a command is answered; also how often an idle connection is asked for life
	maxBlocked   = 64          // blocking reads at once; the next waits for one of them
	idleBlocked  = time.Minute // how long a connection stays that no blocking read uses
	bufferBytes  = 64 << 10    // of each connection, each way
	refresh      = 5 * time.Second
)

// A line is one client, and the sockets that it has open.
type line struct {
	client rueidis.Client
	broken chan struct{} // has room for one: a socket ended, and it was not us
	end    func()        // ends what dials

	mu      sync.Mutex // guards the fields below
	sockets map[*socket]struct{}
	cut     bool
}

// connect makes a line. It takes some dialTimeouts at most, fewer when ctx ends.
func connect(ctx context.Context, t target) (*line, error) {
	ctx, end := context.WithCancel(ctx)
	l := &line{broken: make(chan struct{}, 1), end: end, sockets: map[*socket]struct{}{}}
	option := rueidis.ClientOption{
		InitAddress: t.addresses,
		Username:    t.user, Password: t.password, SelectDB: t.db,
		ClientName: "wasmp2pchat",
		Dialer:     net.Dialer{Timeout: dialTimeout, KeepAlive: time.Second},
		DialCtxFn: func(dialing context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return l.dial(dialing, ctx, t, addr, d)
		},
		ConnWriteTimeout:    writeTimeout,
		BlockingPoolSize:    maxBlocked,
		BlockingPoolCleanup: idleBlocked,
		ReadBufferEachConn:  bufferBytes,
		WriteBufferEachConn: bufferBytes,
		ForceSingleClient:   t.socket || t.db != 0 && t.primary == "", // a cluster has neither
		DisableRetry:        true,                                     // who sends a command knows whether it may come twice
		DisableCache:        true,
		ClusterOption:       rueidis.ClusterOption{ShardsRefreshInterval: refresh, MaxMovedRedirections: 4},
	}
	if t.primary != "" {
		option.Sentinel = rueidis.SentinelOption{
			MasterSet: t.primary, Username: t.sentinelUser, Password: t.sentinelPassword,
			Dialer: option.Dialer, TopologyRefreshInterval: refresh,
		}
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		l.close()
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	l.client = client
	return l, nil
}

// dial opens a socket, and gives up when either context ends.
func (l *line) dial(dialing, ctx context.Context, t target, addr string, d *net.Dialer) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(dialing, dialTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	network := "tcp"
	if t.socket {
		network = "unix"
	}
	conn, err := d.DialContext(dialing, network, addr)
	if err == nil && t.tls != nil {
		conn, err = t.shake(dialing, conn, addr)
	}
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: conn, line: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		s.cut()
		return nil, net.ErrClosed
	}
	l.sockets[s] = struct{}{}
	return s, nil
}

// shake makes a connection one of TLS.
func (t target) shake(ctx context.Context, plain net.Conn, addr string) (net.Conn, error) {
	config := t.tls.Clone()
	if config.ServerName = t.serverName; t.serverName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	conn := tls.Client(plain, config)
	err := conn.HandshakeContext(ctx)
	if err == nil {
		return conn, nil
	}
	_ = plain.Close()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSilent
	}
	return nil, err
}

// close ends the line: every command that is under way fails, also those that block.
func (l *line) close() {
	l.mu.Lock()
	l.cut = true
	sockets := l.sockets
	l.sockets = map[*socket]struct{}{}
	l.mu.Unlock()
	l.end()
	for s := range sockets {
		s.cut()
	}
	if l.client != nil {
		l.client.Close()
	}
}

// A socket is a connection of a line.
type socket struct {
	net.Conn
	line *line
}

// Read has the line asked for life when the other end is gone.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil && s.line.has(s) {
		select {
		case s.line.broken <- struct{}{}:
		default:
		}
	}
	return n, err
}

// cut closes the socket without a word: TLS would say goodbye first, and wait for a
// network that is gone to take it.
func (s *socket) cut() {
	if secure, ok := s.Conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close()
	}
	_ = s.Conn.Close()
}

// Close closes the socket; the line forgets it.
func (s *socket) Close() error {
	s.line.mu.Lock()
	delete(s.line.sockets, s)
	s.line.mu.Unlock()
	return s.Conn.Close()
}

// has reports whether the socket is one that we did not close.
func (l *line) has(s *socket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, has := l.sockets[s]
	return has
}
