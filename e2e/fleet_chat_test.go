//go:build redis && browser

package e2e

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestFleetChats lets browsers talk that come to different nodes, directly and
// through a relay: where nodes have URLs, both go to the node that keeps their
// room; where they have none, each stays where the balancer has led him.
func TestFleetChats(t *testing.T) {
	t.Parallel()
	for _, plan := range []fleetPlan{
		{nodes: 2, urls: true},
		{nodes: 2},
	} {
		t.Run(plan.String(), func(t *testing.T) {
			f := newFleet(t, plan)
			f.hides = true
			f.a, f.b = f.visitor(natlab.SideA, chromium, 0), f.visitor(natlab.SideB, chromium, 1)
			for _, nat := range []natlab.NAT{natlab.PortRestrictedCone, natlab.Symmetric, natlab.UDPBlocked} {
				f.setNATs(nat, nat)
				f.chatsBehind(nat)
				f.usesItsCredentials()
				f.isOfOneHome()
				f.parts()
			}
			f.meetsATerminal()
		})
	}
}

// TestFleetFirefox lets Firefox meet Chromium through a relay, each at a node of his
// own.
func TestFleetFirefox(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetPlan{nodes: 2, a: natlab.Symmetric, b: natlab.Symmetric})
	f.a, f.b = f.visitor(natlab.SideA, firefox, 0), f.visitor(natlab.SideB, chromium, 1)
	f.chatsBehind(natlab.Symmetric)
	f.usesItsCredentials()
	f.isOfOneHome()
}

// chatsBehind lets the two meet and talk, both behind such a NAT. Where nothing but
// the relay joins them it is UDP or TCP that wins, as showsRelay has it; each badge
// says what its own browser uses.
func (f *fleet) chatsBehind(nat natlab.NAT) {
	f.t.Helper()
	switch nat {
	case natlab.Symmetric:
	case natlab.UDPBlocked:
		f.chats("relay-tcp")
		return
	default:
		f.chats("direct")
		return
	}
	f.meet()
	f.a.showsRelay()
	f.b.showsRelay()
	f.talks(20)
	relays := 0
	for _, tab := range []*tab{f.a, f.b} {
		badge := evaluate[string](tab, `document.getElementById("path").dataset.path`)
		if c := tab.connection(); c.Local.Type == "relay" {
			relays++
			if badge != "relay-"+c.Local.RelayProtocol {
				f.t.Errorf("%s: badge %s, but it talks %s to the relay", tab.name, badge, c.Local.RelayProtocol)
			}
		} else if c.Remote.Type != "relay" && c.Remote.Type != "prflx" {
			f.t.Errorf("%s: badge %s, but the pair is %+v, %+v", tab.name, badge, c.Local, c.Remote)
		}
	}
	if relays == 0 {
		f.t.Error("neither uses a relay of his own")
	}
}

// visitor is somebody with a browser, whom the balancer leads to node i.
func (f *fleet) visitor(side natlab.Side, brand brand, i int) *tab {
	f.t.Helper()
	f.site = f.door(i)
	return f.person(side, brand)
}

// parts lets A leave and B see it, and gives both a fresh page.
func (f *fleet) parts() {
	f.t.Helper()
	f.a.stop()
	f.b.becomes(left)
	f.a.visit(f.door(0))
	f.b.visit(f.door(1))
}

// isOfOneHome wants both MATCHes to name one home of the room, if nodes have URLs,
// and one relay.
func (f *fleet) isOfOneHome() {
	f.t.Helper()
	a, b := f.a.match(), f.b.match()
	var homes []string
	for _, n := range f.nodes {
		homes = append(homes, "ws://"+n.ip+"/signaling")
	}
	if f.plan.urls && !slices.Contains(homes, a.SignalingURL) || !f.plan.urls && a.SignalingURL != "" || a.SignalingURL != b.SignalingURL {
		f.t.Errorf("signaling_url of the two MATCHes: %q and %q, want the same, one of %q if nodes have URLs", a.SignalingURL, b.SignalingURL, homes)
	}
	if ofA, ofB := turnServer(f.a, a.ICEServers).URLs, turnServer(f.b, b.ICEServers).URLs; !slices.Equal(ofA, ofB) {
		f.t.Errorf("relays of the two MATCHes: %q and %q, want the same", ofA, ofB)
	}
}

// meetsATerminal lets A's browser, at the first node, talk to a terminal at the
// second one.
func (f *fleet) meetsATerminal() {
	f.t.Helper()
	f.setNATs(natlab.PortRestrictedCone, natlab.PortRestrictedCone)
	f.a.start()
	f.a.becomes(waiting)
	terminal := openTerminal(f.t, f.lab.Client(natlab.SideB), f.door(1))
	terminal.prints("direct")
	f.a.becomes(chatting)
	f.a.shows("direct")
	terminal.say("typed")
	f.a.hears("typed")
	f.a.say("clicked")
	terminal.prints("clicked")
	f.a.stop()
	f.a.becomes(idle)
	terminal.prints("left")
}

// TestFleetSeed lets a browser at one node talk to a client like the first one's at
// another: it says nothing of extensions, and goes to its own node for signaling
// wherever the room is.
func TestFleetSeed(t *testing.T) {
	t.Parallel()
	for _, plan := range []fleetPlan{
		{nodes: 2, urls: true},
		{nodes: 2},
	} {
		for _, first := range []string{"browser", "seed"} {
			t.Run(plan.String()+", the "+first+" waits", func(t *testing.T) {
				plan.a, plan.b = natlab.FullCone, natlab.NoNAT
				f := newFleet(t, plan)
				f.a = f.visitor(natlab.SideA, chromium, 0)
				f.site = f.door(1)
				seed := f.newStranger(natlab.SideB)
				var match func() wire.MatchMessage
				if first == "browser" {
					f.a.start()
					f.a.becomes(waiting)
					match = seed.asks()
				} else {
					match = seed.asks()
					f.a.start()
				}
				seed.joins(match().RoomID)
				seed.connects()
				late := time.NewTimer(patience)
				defer late.Stop()
				select {
				case <-seed.open:
				case <-late.C:
					t.Fatalf("they do not connect: %v", seed.pc.ICEConnectionState())
				}
				f.a.becomes(chatting)
				f.a.shows("direct")
				seed.says(1, "like the first one")
				f.a.hears("like the first one")
				f.a.say("and the last")
				seed.isSaid("and the last")
			})
		}
	}
}

// isSaid waits for a message of the partner.
func (s *stranger) isSaid(text string) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case frame := <-s.frames:
			if frame.Text == text {
				return
			}
		case <-late.C:
			s.t.Fatalf("the stranger was not said %q", text)
		}
	}
}

// Where the application's webhooks are, and its pages: the SDK wants a secure
// context, which those of the same machine are.
const (
	hookSite = "51.51.51.12:8000"
	sdkSite  = "127.0.0.1:8000"
)

// TestFleetSDK is TestTheSDK with each client at a node of its own: two connect and
// talk, a third one is refused, who stays learns that the other has left, and the
// webhooks are told of each once.
func TestFleetSDK(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetPlan{nodes: 3, settings: []string{
		"SIGNAL_OPEN_ROOMS=true", "ALLOWED_ORIGINS=http://" + sdkSite,
		"SIGNAL_AUTHN_WEBHOOK_URL=http://" + hookSite + "/hooks/authn", "SIGNAL_DISCONNECT_WEBHOOK_URL=http://" + hookSite + "/hooks/disconnect",
	}})
	app := &application{
		t: t, room: "sdk-fleet", page: "http://" + sdkSite + "/", browser: chromium.launch(t, f.lab.Client(natlab.SideA), habits{tellsAddresses: true}),
		calls: map[string][]map[string]any{}, news: make(chan struct{}),
	}
	for address, host := range map[string]*natlab.Host{hookSite: f.lab.Elsewhere(), sdkSite: f.lab.Client(natlab.SideA)} {
		listener, err := host.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		site := &httptest.Server{Listener: listener, Config: &http.Server{Handler: app.pages(), ReadHeaderTimeout: patience}}
		site.Start()
		t.Cleanup(site.Close)
	}
	at := func(i int) *application {
		app.signaling = strings.Replace(f.door(i), "http", "ws", 1) + "signaling"
		return app
	}
	a, b, c := app.user("A"), app.user("B"), app.user("C")
	at(0).enters(a, `{clientId: "a", signalingKey: "k", metadata: {"age": 7}}`)
	a.logs("accepted", `open {"role":"guest"}`)
	at(1).enters(b, `{clientId: "b"}`)
	a.logs("talking")
	b.logs("talking")
	talk(a, b, "hello")

	at(2).enters(c, `{clientId: "c"}`)
	c.logs("disconnect full", "refused REJECTED")
	talk(a, b, "who was that?")

	evaluate[any](a.tab, "application.leave()")
	b.logs("bye", "disconnect WS-CLOSED")

	app.wasTold("authn", []map[string]any{
		{"clientId": "a", "signalingKey": "k", "authnMetadata": map[string]any{"age": 7.0}},
		{"clientId": "b"},
		{"clientId": "c"},
	})
	app.wasTold("disconnect", []map[string]any{{"clientId": "a"}, {"clientId": "b"}, {"clientId": "c"}})
}
