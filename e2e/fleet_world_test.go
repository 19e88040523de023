//go:build redis && browser

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// Where the hosts of a fleet are.
const (
	balancerIP = "51.51.51.20"
	fleetSite  = "http://" + balancerIP + "/"
	fleetToken = "a token of this laboratory"
)

// fleetPlan is how a fleet is laid out.
type fleetPlan struct {
	nodes    int
	urls     bool // nodes have a NODE_URL: both of a pair go to the node that keeps their room
	sentinel bool // Redis is a primary and a replica, with three Sentinels
	alone    bool // there is no Redis, and one node: the embedded pool
	a, b     natlab.NAT
	settings []string // of every node, NAME=value without the prefix
}

// fleet is a laboratory with several nodes of the program, each on a host of its
// own, a Redis, and a load balancer that knows no affinity. All of it ends with its
// test. Its world has two people's networks, as others have.
type fleet struct {
	*world
	plan     fleetPlan
	redis    *redisHost // nil: none
	nodes    []*node
	balancer *process
	crowd    *natlab.Host // where those come from who have no browser
}

// node is one server of a fleet.
type node struct {
	*process
	fleet *fleet
	host  *natlab.Host
	id    string
	ip    string
}

// newFleet starts all of it, and waits until it is ready.
func newFleet(t *testing.T, plan fleetPlan) *fleet {
	t.Helper()
	if plan.a == "" {
		plan.a, plan.b = natlab.PortRestrictedCone, natlab.PortRestrictedCone
	}
	if _, err := exec.LookPath("haproxy"); err != nil {
		need(t, missing(err, "haproxy", "haproxy"))
	}
	f := &fleet{world: newLand(t, plan.a, plan.b), plan: plan}
	f.site = fleetSite
	f.server = &server{log: &record{}, stop: func() {}}
	if !plan.alone {
		f.redis = f.newRedis()
	}
	for i := range plan.nodes {
		f.nodes = append(f.nodes, f.newNode(i))
	}
	for _, n := range f.nodes {
		n.start()
	}
	for _, n := range f.nodes {
		n.becomesReady()
	}
	f.crowd = f.addHost("crowd", "51.51.51.30")
	f.startBalancer()
	return f
}

// newNode describes node i, which has yet to be started.
func (f *fleet) newNode(i int) *node {
	f.t.Helper()
	n := &node{fleet: f, id: fmt.Sprintf("node%d", i+1), ip: fmt.Sprintf("51.51.51.%d", 21+i)}
	n.host = f.addHost(n.id, n.ip)
	state := f.t.TempDir()
	n.process = newProcess(f.t, n.id, func(ctx context.Context) *exec.Cmd {
		cmd := n.host.Command(ctx, serverBinary(f.t), "serve")
		for _, setting := range n.settings(state) {
			cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
		}
		return cmd
	})
	n.too = f.server.log // which is searched for secrets
	return n
}

// settings are those of a node: what an operator gives each of a fleet.
func (n *node) settings(state string) []string {
	list := []string{
		"STATE_DIR=" + state, "LOG_LEVEL=debug",
		"ADDR=" + n.ip + ":80", "PUBLIC_IPS=" + n.ip, "ADDRESS_SOURCES=interfaces",
		"ADMIN_ADDR=" + n.ip + ":9090", "ADMIN_TOKEN=" + fleetToken,
		"TRUSTED_PROXIES=" + balancerIP + "/32", "ALLOWED_ORIGINS=" + n.fleet.origins(),
		"ROOM_SECRET=not a secret outside of this laboratory", "TURN_SECRETS=not a secret outside of this laboratory either",
		"MATCH_AVOID=0",
	}
	if n.fleet.redis != nil {
		list = append(list, "REDIS_URL="+n.fleet.redis.url(), "NODE_ID="+n.id)
	}
	if n.fleet.plan.urls {
		list = append(list, "NODE_URL=http://"+n.ip)
	}
	return append(list, n.fleet.plan.settings...)
}

// origins are where pages come from that talk to any of the nodes.
func (f *fleet) origins() string {
	list := []string{"http://" + balancerIP}
	for i := range f.plan.nodes {
		list = append(list, strings.TrimSuffix(f.door(i), "/"))
	}
	return strings.Join(list, ",")
}

// becomesReady waits until a node says that it is.
func (n *node) becomesReady() {
	n.t.Helper()
	eventually(n.t, n.id+" is ready", func() bool {
		if !n.runs() {
			n.t.Fatalf("%s ended before it was ready", n.id)
		}
		return n.isReady()
	})
}

// isReady asks a node once.
func (n *node) isReady() bool {
	status, _ := n.asks("/readyz")
	return status == http.StatusOK
}

// asks asks a node at its admin address; status 0: it has not answered.
func (n *node) asks(path string) (status int, text string) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: n.fleet.lab.Elsewhere().Dial, DisableKeepAlives: true}}
	return askAdmin(ctx, client, "http://"+n.ip+":9090"+path, fleetToken)
}

// balancing is the configuration of HAProxy: round robin, no affinity, and who is
// not ready is left out within a second. It takes the address and the servers.
const balancing = `
global
	maxconn 2000

defaults
	mode http
	option forwardfor
	option redispatch
	retries 3
	timeout connect 1s
	timeout client 20s
	timeout server 1m
	timeout tunnel 1m
	option httpchk GET /readyz
	default-server check port 9090 inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions

frontend everybody
	bind %[1]s:80
	default_backend nodes

backend nodes
	balance roundrobin
%[2]s
`

// preference is a door of the balancer that leads to one node as long as there is
// that one. It takes the node, the address and the port.
const preference = `
frontend to-%[1]s
	bind %[2]s:%[3]d
	default_backend prefer-%[1]s

backend prefer-%[1]s
`

// preferencePort is the door to the first node; the others follow.
const preferencePort = 81

// door is where the balancer prefers node i.
func (f *fleet) door(i int) string {
	return fmt.Sprintf("http://%s:%d/", balancerIP, preferencePort+i)
}

// startBalancer starts HAProxy and waits until it lets somebody through.
func (f *fleet) startBalancer() {
	f.t.Helper()
	host := f.addHost("lb", balancerIP)
	var servers, own strings.Builder
	for i, n := range f.nodes {
		_, _ = fmt.Fprintf(&own, preference, n.id, balancerIP, preferencePort+i)
		for _, other := range f.nodes {
			spare := " backup"
			if other == n {
				spare = ""
			}
			_, _ = fmt.Fprintf(&own, "\tserver %s %s:80%s\n", other.id, other.ip, spare)
		}
		_, _ = fmt.Fprintf(&servers, "\tserver %s %s:80\n", n.id, n.ip)
	}
	file := inFile(f.t, fmt.Sprintf(balancing, balancerIP, servers.String())+own.String())
	f.balancer = newProcess(f.t, "haproxy", func(ctx context.Context) *exec.Cmd {
		return host.Command(ctx, "haproxy", "-db", "-f", file)
	})
	f.balancer.start()
	eventually(f.t, "the balancer lets somebody through", func() bool {
		if !f.balancer.runs() {
			f.t.Fatal("the balancer ended")
		}
		client := &http.Client{Transport: &http.Transport{DialContext: f.crowd.Dial, DisableKeepAlives: true}}
		return answersOK(f.t.Context(), client, fleetSite+".ok")
	})
}

// isListening tells whether somebody accepts connections at an address.
func isListening(ctx context.Context, from *natlab.Host, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return errors.Join(conn.Close(), ctx.Err())
}
