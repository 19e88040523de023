package redisdb_test

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// with puts something before the host of a URL.
func with(user, url string) string { return strings.Replace(url, "://", "://"+user+"@", 1) }

// TestKindsOfServers connects in each way that an operator may choose; Sentinel
// and Cluster take longer, and are in the tests with the tag redis.
func TestKindsOfServers(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"plain":      func(t *testing.T) string { return redistest.Start(t).URL },
		"a database": func(t *testing.T) string { return redistest.Start(t).URL + "/3" },
		"a password": func(t *testing.T) string {
			return with(":pass%40word", redistest.Start(t, "--requirepass", "pass@word").URL)
		},
		"TLS and a CA": func(t *testing.T) string { return redistest.StartTLS(t).URL },
		"TLS and a password": func(t *testing.T) string {
			return with(":secret", redistest.StartTLS(t, "--requirepass", "secret").URL)
		},
		"a socket":            func(t *testing.T) string { return redistest.StartSocket(t).URL },
		"a node of a cluster": clusterOfOne,
		"the ACL that we ask for": func(t *testing.T) string {
			s := redistest.Start(t)
			s.Do(t, append([]string{"ACL", "SETUSER", "wasmp2pchat", "on", ">secret"}, strings.Fields(redisdb.ACL)...)...)
			s.Do(t, "ACL", "SETUSER", "default", "off")
			return with("wasmp2pchat:secret", s.URL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, changes := served(t, url(t), nil)
			await(t, db, changes, true)
			works(t, db)
		})
	}
	for name, start := range redistest.Programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, changes := served(t, start(t).URL, nil)
			await(t, db, changes, true)
			works(t, db)
		})
	}
}

// clusterOfOne is the smallest cluster.
func clusterOfOne(t *testing.T) string {
	s := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
	s.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	redistest.Until(t, func() bool { return strings.Contains(s.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") })
	return s.URL
}

// works writes, runs a script, and has a message pass while a read blocks.
func works(t *testing.T, db *redisdb.DB) {
	t.Helper()
	ctx := t.Context()
	c := db.Client()
	const key = redisdb.Prefix + "{test}:stream"
	if err := c.Do(ctx, c.B().Xadd().Key(key).Id("1-1").FieldValue().FieldValue("a", "b").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		read <- c.Do(ctx, c.B().Xread().Block(patience.Milliseconds()).Streams().Key(key).Id("1-1").Build()).Error()
	}()
	if err := set(t, db); err != nil { // while a read blocks, or is about to
		t.Fatal(err)
	}
	script := `return redis.call('XADD', KEYS[1], '1-2', 'a', 'b')`
	if err := c.Do(ctx, c.B().Eval().Script(script).Numkeys(1).Key(key).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatalf("a blocking read: %v", err)
	}
}

// TestWordsForTheOperator holds what is said of a server that cannot be used: once,
// in words that say what to do, and without a secret.
func TestWordsForTheOperator(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url  func(t *testing.T) string
		want string
	}{
		"a password is missing":     {func(t *testing.T) string { return redistest.Start(t, "--requirepass", "s3cret").URL }, "it wants a password"},
		"the password is wrong":     {func(t *testing.T) string { return with(":s3kret", redistest.Start(t, "--requirepass", "s3cret").URL) }, "the user or the password in the address is wrong"},
		"rights are missing":        {fewRights, "the user may not do that"},
		"a replica":                 {func(t *testing.T) string { return redistest.StartReplica(t, redistest.Start(t)).URL }, "it is a replica: name the primary"},
		"no memory":                 {noMemory, "its memory is full"},
		"no disk":                   {noDisk, "it cannot save to its disk"},
		"nobody listens":            {func(t *testing.T) string { s := redistest.Start(t); s.Kill(); return s.URL }, "connection refused"},
		"an unknown CA":             {func(t *testing.T) string { url, _, _ := strings.Cut(redistest.StartTLS(t).URL, "?"); return url }, "name the CA with ?ca_file="},
		"a certificate for another": {func(t *testing.T) string { return redistest.StartTLS(t).URL + "&server_name=b.example" }, "its certificate is for somebody else"},
		"no TLS there":              {func(t *testing.T) string { return strings.Replace(redistest.Start(t).URL, "redis:", "rediss:", 1) }, "when it is spoken to in TLS"},
		"TLS there": {func(t *testing.T) string {
			url, _, _ := strings.Cut(redistest.StartTLS(t).URL, "?")
			return strings.Replace(url, "rediss:", "redis:", 1)
		}, "write rediss:// if it wants TLS there"},
		"a cluster without slots": {func(t *testing.T) string { return redistest.Start(t, "--cluster-enabled", "yes").URL }, "slots"},
		"an unknown name":         {func(*testing.T) string { return "redis://there-is-no-such-name.invalid" }, "the name there-is-no-such-name.invalid is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newLog(3)
			db, changes := served(t, c.url(t), slog.New(slog.NewTextHandler(log, nil)))
			// A machine that is busy may say first that a server does not answer in time.
			redistest.Until(t, func() bool { return strings.Contains(log.String(), c.want) })
			tried := db.Stats().Tries
			redistest.Until(t, func() bool { return db.Stats().Tries > tried+1 })
			text := log.String()
			if strings.Count(text, c.want) != 1 || strings.Contains(text, "s3") {
				t.Errorf("the log has not one line with %q, or a secret:\n%s", c.want, text)
			}
			redistest.Until(t, func() bool {
				reason := db.Reason().Error()
				return strings.HasPrefix(reason, "redis is down: ") && strings.Contains(reason, c.want)
			})
			if db.Up() || len(changes) > 0 {
				t.Error("it is up")
			}
		})
	}
}

func fewRights(t *testing.T) string {
	s := redistest.Start(t)
	s.Do(t, "ACL", "SETUSER", "u", "on", ">s3cret", "~*", "&*", "+@all", "-xadd")
	return with("u:s3cret", s.URL)
}

func noMemory(t *testing.T) string { return redistest.Start(t, "--maxmemory", "1").URL }

// noDisk is a server that may write nothing, because it cannot save what it has.
func noDisk(t *testing.T) string {
	s := redistest.Start(t, "--save", "3600 1", "--dbfilename", "dump.rdb", "--rdbcompression", "no")
	s.Spoil(t)
	s.Do(t, "BGSAVE")
	redistest.Until(t, func() bool { return strings.Contains(s.Do(t, "INFO", "persistence"), "rdb_last_bgsave_status:err") })
	return s.URL
}

// log is what was logged.
type log struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func newLog(most int) *log { return &log{lines: make(chan string, most)} }

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.lines <- string(p):
	default:
	}
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits for a line.
func (l *log) await(t *testing.T, want string) {
	t.Helper()
	select {
	case line := <-l.lines:
		if !strings.Contains(line, want) {
			t.Fatalf("the log has %q, want %q", line, want)
		}
	case <-time.After(patience):
		t.Fatalf("nothing is logged of %q", want)
	}
}

// TestAServerThatForgot: whoever has written something is told to write it again.
func TestAServerThatForgot(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	db, changes := served(t, server.URL, nil)
	await(t, db, changes, true)
	server.Do(t, "FLUSHALL")
	await(t, db, changes, false)
	await(t, db, changes, true)
}

// TestOneLineForALoss: the first that is known of a server that is killed is that
// its sockets ended, the next that nobody listens; the operator is told the latter.
func TestOneLineForALoss(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	log := newLog(10)
	db, changes := served(t, server.URL, slog.New(slog.NewTextHandler(log, nil)))
	await(t, db, changes, true)
	for range 3 {
		server.Kill()
		await(t, db, changes, false)
		tried := db.Stats().Tries
		redistest.Until(t, func() bool { return db.Stats().Tries > tried+1 })
		server.Restart(t)
		await(t, db, changes, true)
		for _, want := range []string{"redis connected", "connection refused"} {
			log.await(t, want)
		}
	}
	log.await(t, "redis connected")
	if text := log.String(); strings.Count(text, "\n") != 7 {
		t.Errorf("three losses are\n%s", text)
	}
}

// TestAPrimaryThatBecomesAReplica is what an operator does by hand, without
// Sentinel: nothing can be written there until he says otherwise.
func TestAPrimaryThatBecomesAReplica(t *testing.T) {
	t.Parallel()
	server, other := redistest.Start(t), redistest.Start(t)
	db, changes := served(t, server.URL, nil)
	await(t, db, changes, true)
	server.Do(t, "REPLICAOF", "127.0.0.1", strconv.Itoa(other.Port))
	await(t, db, changes, false)
	if reason := db.Reason(); reason == nil || !strings.Contains(reason.Error(), "it is a replica") {
		t.Errorf("reason: %v", reason)
	}
	server.Do(t, "REPLICAOF", "NO", "ONE")
	await(t, db, changes, true)
}

// TestABlockedReadEnds with its context, and with Redis.
func TestABlockedReadEnds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	db, changes := served(t, server.URL, nil)
	await(t, db, changes, true)
	block := func(ctx context.Context) <-chan error {
		read := make(chan error, 1)
		c := db.Client()
		go func() {
			read <- c.Do(ctx, c.B().Xread().Block(0).Streams().Key(redisdb.Prefix+"nothing").Id("$").Build()).Error()
		}()
		redistest.Until(t, func() bool { return strings.Contains(server.Do(t, "INFO", "clients"), "blocked_clients:1") })
		return read
	}
	ctx, cancel := context.WithCancel(t.Context())
	read := block(ctx)
	cancel()
	if err := <-read; err == nil {
		t.Error("a read that was cancelled has no error")
	}
	redistest.Until(t, func() bool { return strings.Contains(server.Do(t, "INFO", "clients"), "blocked_clients:0") })
	read = block(t.Context())
	server.Kill()
	if err := <-read; err == nil {
		t.Error("a read from a server that was killed has no error")
	}
}
