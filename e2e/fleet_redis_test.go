//go:build redis && browser

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// redisHost is the Redis of a fleet: one that keeps nothing, or a primary and a
// replica on hosts of their own, watched by three Sentinels.
type redisHost struct {
	fleet     *fleet
	servers   []*redisServer // the second replicates the first, at first
	sentinels []*process
}

// redisServer is one redis-server, on a host of its own.
type redisServer struct {
	*process
	host *natlab.Host
	ip   string
}

// newRedis starts it.
func (f *fleet) newRedis() *redisHost {
	f.t.Helper()
	r := &redisHost{fleet: f}
	r.add("redis1", "51.51.51.41")
	if f.plan.sentinel {
		r.add("redis2", "51.51.51.42", "--replicaof", "51.51.51.41 6379")
		for i, on := range []*natlab.Host{r.servers[0].host, r.servers[1].host, f.lab.Elsewhere()} {
			r.watch(i, on)
		}
		r.isWatched()
	}
	return r
}

// redisProgram is the server of this machine: Valkey's where it is there.
func redisProgram(t *testing.T, kind string) string {
	t.Helper()
	for _, name := range []string{"valkey-" + kind, "redis-" + kind} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need(t, fmt.Errorf("no redis-%s in PATH: install it (Debian: apt-get install redis-server redis-sentinel)", kind))
	return ""
}

// add starts a server that keeps nothing on disk.
func (r *redisHost) add(name, ip string, args ...string) {
	r.fleet.t.Helper()
	program, dir := redisProgram(r.fleet.t, "server"), r.fleet.t.TempDir()
	s := &redisServer{host: r.fleet.addHost(name, ip), ip: ip}
	s.process = newProcess(r.fleet.t, name, func(ctx context.Context) *exec.Cmd {
		return s.host.Command(ctx, program, append([]string{
			"--port", "6379", "--bind", ip, "127.0.0.1", "--protected-mode", "no",
			"--save", "", "--appendonly", "no", "--dir", dir, "--repl-diskless-sync-delay", "0",
		}, args...)...)
	})
	r.servers = append(r.servers, s)
	s.start()
	s.answers()
}

// watch starts a Sentinel.
func (r *redisHost) watch(i int, on *natlab.Host) {
	r.fleet.t.Helper()
	file := inFile(r.fleet.t, fmt.Sprintf(`port 26379
bind %[1]s 127.0.0.1
protected-mode no
sentinel monitor fleet %[2]s 6379 2
sentinel down-after-milliseconds fleet 2000
sentinel failover-timeout fleet 10000
`, on.Addr(), r.servers[0].ip))
	program := redisProgram(r.fleet.t, "sentinel")
	p := newProcess(r.fleet.t, fmt.Sprintf("sentinel%d", i+1), func(ctx context.Context) *exec.Cmd {
		return on.Command(ctx, program, file)
	})
	r.sentinels = append(r.sentinels, p)
	p.start()
	eventually(r.fleet.t, p.name+" listens", func() bool {
		return isListening(r.fleet.t.Context(), on, on.Addr().String()+":26379") == nil
	})
}

// isWatched waits until every Sentinel knows the others, and the replica.
func (r *redisHost) isWatched() {
	r.fleet.t.Helper()
	eventually(r.fleet.t, "the Sentinels know one another and the replica", func() bool {
		for _, ip := range r.sentinelIPs() {
			text := r.asks(ip, "26379", "INFO", "sentinel")
			if !strings.Contains(text, "status=ok") || !strings.Contains(text, "slaves=1") || !strings.Contains(text, "sentinels=3") {
				return false
			}
		}
		return true
	})
}

func (r *redisHost) sentinelIPs() []string {
	return []string{r.servers[0].ip, r.servers[1].ip, r.fleet.lab.Elsewhere().Addr().String()}
}

// asks is redis-cli; an error is what it prints.
func (r *redisHost) asks(ip, port string, command ...string) string {
	r.fleet.t.Helper()
	ctx, cancel := context.WithTimeout(r.fleet.t.Context(), patience)
	defer cancel()
	cmd := r.fleet.lab.Elsewhere().Command(ctx, redisProgram(r.fleet.t, "cli"), append([]string{"-h", ip, "-p", port}, command...)...)
	text, _ := cmd.CombinedOutput()
	return string(text)
}

// url is the fleet's REDIS_URL.
func (r *redisHost) url() string {
	if len(r.servers) == 1 {
		return "redis://" + r.servers[0].ip + ":6379"
	}
	return "redis+sentinel://" + strings.Join(r.sentinelIPs(), ",") + "/fleet"
}

// answers waits until the server answers.
func (s *redisServer) answers() {
	s.t.Helper()
	eventually(s.t, s.name+" answers", func() bool {
		if !s.runs() {
			s.t.Fatalf("%s ended", s.name)
		}
		return isListening(s.t.Context(), s.host, s.ip+":6379") == nil
	})
}

// restart ends the server at once and starts it again, empty.
func (s *redisServer) restart() {
	s.t.Helper()
	s.kill()
	s.start()
	s.answers()
}

// Rules with which a host drops what comes to Redis from others, and none.
const (
	unreachable = `table inet fault {
	chain input {
		type filter hook input priority raw; policy accept;
		iif != "lo" tcp dport 6379 drop
	}
}
`
	reachable = "delete table inet fault\n"
)

// cut makes the server unreachable: what is sent to it is lost, and nobody is told.
func (s *redisServer) cut() { s.t.Helper(); s.feed(unreachable) }

// mend makes it reachable again.
func (s *redisServer) mend() { s.t.Helper(); s.feed(reachable) }

func (s *redisServer) feed(rules string) {
	s.t.Helper()
	cmd := s.host.Command(s.t.Context(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("nft on %s: %v: %s", s.name, err, out)
	}
}

// primary is the server that the Sentinels call the primary.
func (r *redisHost) primary() *redisServer {
	r.fleet.t.Helper()
	for _, s := range r.servers {
		if strings.Contains(r.asks(r.sentinelIPs()[2], "26379", "SENTINEL", "get-master-addr-by-name", "fleet"), s.ip) {
			return s
		}
	}
	r.fleet.t.Fatal("the Sentinels know no primary")
	return nil
}
