package main

import (
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

func TestViewSaysWhatHappens(t *testing.T) {
	t.Parallel()
	direct := peer.Path{Kind: peer.PathDirect, RTT: 23 * time.Millisecond}
	tests := []struct {
		name  string
		model model
		text  func(view) string
		want  string
	}{
		{"idle is ready", model{state: idle}, func(v view) string { return v.status }, "Ready"},
		{"idle shows who is online", model{state: idle, online: 12}, func(v view) string { return v.online }, "12 online"},
		{"idle does not guess who is online", model{state: idle}, func(v view) string { return v.online }, ""},
		{"waiting says so", model{state: waiting}, func(v view) string { return v.status }, "Looking for somebody…"},
		{"waiting without numbers shows none", model{state: waiting}, func(v view) string { return v.note }, ""},
		{"who went on too fast pauses", model{state: waiting, queue: 3, online: 5, pause: 4 * time.Second}, func(v view) string { return v.note }, "You went on quickly several times. You are introduced again in 4 s."},
		{"the first to wait is alone", model{state: waiting, queue: 1, online: 5}, func(v view) string { return v.note }, "Nobody else is waiting yet · 5 online"},
		{"others wait too", model{state: waiting, queue: 3, online: 12}, func(v view) string { return v.note }, "3 people are waiting · 12 online"},
		{"connecting says so", model{state: connecting}, func(v view) string { return v.status }, "Found somebody, connecting…"},
		{"connecting is quiet at first", model{state: connecting}, func(v view) string { return v.note }, ""},
		{
			"connecting slowly says what is tried",
			model{state: connecting, slow: true},
			func(v view) string { return v.note },
			"This takes a moment longer. Trying a direct way, a relay, and a relay over port 443.",
		},
		{
			"with a hidden address no direct way is tried",
			model{state: connecting, slow: true, hideIP: true},
			func(v view) string { return v.note },
			"This takes a moment longer. Trying the relay, also over port 443.",
		},
		{"a chat is with a stranger", model{state: chatting}, func(v view) string { return v.status }, "Stranger"},
		{"a chat shows its path", model{state: chatting, path: direct}, func(v view) string { return v.path.name + v.path.rtt }, "direct23 ms"},
		{"the partner is typing", model{state: chatting, typing: true}, func(v view) string { return v.typing }, "Stranger is typing…"},
		{"the partner is not typing", model{state: chatting}, func(v view) string { return v.typing }, ""},
		{"the stranger left", model{state: left, why: "left"}, func(v view) string { return v.status }, "The stranger has left."},
		{"the connection was lost", model{state: left, why: "broken"}, func(v view) string { return v.status }, "The connection was lost."},
		{"nobody types after the end", model{state: left, why: "left", typing: true}, func(v view) string { return v.typing }, ""},
		{"an error is one sentence", model{state: failed, why: "nobody"}, func(v view) string { return v.fault }, "Nobody came. Try again in a moment."},
		{"no path has more to say", model{state: failed, why: "nopath"}, func(v view) string { return v.more }, "Guest and company networks often do. Another network may work, your phone’s for instance."},
		{"other errors have not", model{state: failed, why: "nobody"}, func(v view) string { return v.more }, ""},
		{"an error has a way out", model{state: failed, why: "nobody"}, func(v view) string { return v.start }, "Try again"},
		{"START is START", model{state: idle}, func(v view) string { return v.start }, "START"},
		{"the title is the name", model{state: chatting}, func(v view) string { return v.title }, "WasmP2PChat"},
		{"the title counts", model{state: chatting, hidden: true, unread: 2}, func(v view) string { return v.title }, "(2) WasmP2PChat"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.model.words = wordsOf(t, "en")
			if got := tt.text(tt.model.view()); got != tt.want {
				t.Errorf("view shows %q, want %q", got, tt.want)
			}
		})
	}
}

func TestViewAllowsWhatMakesSense(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state state
		can   string // start, next, stop, write, hide, report
		focus string
	}{
		{idle, "start hide", "start"},
		{waiting, "stop", "status"},
		{connecting, "next stop", "status"},
		{chatting, "next stop write report", "message"},
		{left, "next stop hide report", "next"},
		{failed, "start hide", "start"},
	}
	for _, tt := range tests {
		t.Run(string(tt.state), func(t *testing.T) {
			t.Parallel()
			m := model{state: tt.state}
			v := m.view()
			var can string
			for _, c := range []struct {
				name string
				yes  bool
			}{{" start", v.canStart}, {" next", v.canNext}, {" stop", v.canStop}, {" write", v.canWrite}, {" hide", v.canHide}, {" report", v.canReport}} {
				if c.yes {
					can += c.name
				}
			}
			if can != " "+tt.can || v.focus != tt.focus {
				t.Errorf("view allows%s, focuses %s; want %s, %s", can, v.focus, tt.can, tt.focus)
			}
		})
	}
}

func TestBadge(t *testing.T) {
	t.Parallel()
	const (
		direct = "Your messages travel straight from browser to browser, encrypted. The other person’s browser knows your IP address."
		relay  = "Your messages pass through the relay of this server. They stay encrypted between you two: the relay cannot read them."
		hidden = "“Hide my IP” is on: the other person does not learn your IP address."
		noUDP  = "Your network does not let UDP through."
		nat    = "Your two networks change their ports in ways that leave no direct connection."
	)
	trip := func(n string) string { return "There and back, a message takes " + n + " ms." }
	tests := []struct {
		name string
		path peer.Path
		want badge
	}{
		{"an unknown path has none", peer.Path{}, badge{}},
		{"a kind from the future has none", peer.Path{Kind: "tunnel"}, badge{}},
		{
			"direct is explained",
			peer.Path{Kind: peer.PathDirect, RTT: 23 * time.Millisecond},
			badge{peer.PathDirect, "direct", "no server in between", "23 ms", about{direct, "", trip("23")}},
		},
		{
			"without a round trip it is only named",
			peer.Path{Kind: peer.PathDirect},
			badge{peer.PathDirect, "direct", "no server in between", "", about{direct, "", ""}},
		},
		{
			"on one machine it is still something",
			peer.Path{Kind: peer.PathRelayUDP, RTT: 90 * time.Microsecond},
			badge{peer.PathRelayUDP, "relay (UDP)", "", "1 ms", about{relay, "", trip("1")}},
		},
		{
			"half a millisecond counts",
			peer.Path{Kind: peer.PathRelayTCP, RTT: 1499500 * time.Microsecond, Why: peer.WhyUDPBlocked},
			badge{peer.PathRelayTCP, "relay (TCP)", "", "1500 ms", about{relay, noUDP, trip("1500")}},
		},
		{
			"TLS is named with its port",
			peer.Path{Kind: peer.PathRelayTLS, RTT: 40 * time.Millisecond, Why: peer.WhyHidden},
			badge{peer.PathRelayTLS, "relay (TLS 443)", "", "40 ms", about{relay, hidden, trip("40")}},
		},
		{
			"networks that change ports",
			peer.Path{Kind: peer.PathRelayUDP, Why: peer.WhyNAT},
			badge{peer.PathRelayUDP, "relay (UDP)", "", "", about{relay, nat, ""}},
		},
		{
			"a reason from the future is none",
			peer.Path{Kind: peer.PathRelayUDP, Why: "weather"},
			badge{peer.PathRelayUDP, "relay (UDP)", "", "", about{relay, "", ""}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := model{words: wordsOf(t, "en"), path: tt.path}
			if got := m.badge(); got != tt.want {
				t.Errorf("badge() of %v = %q, want %q", tt.path, got, tt.want)
			}
		})
	}
}
