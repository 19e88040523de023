package turnsvc_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// A TURN server for an application that has its own users: anybody with a
// credential may relay to any public address.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	server, err := turnsvc.Listen(ctx, turnsvc.Config{
		Secrets:   []string{"a long random secret"},
		UDPAddrs:  []string{"127.0.0.1:0"}, // ":3478" on a real machine
		PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Peers:     turnsvc.PeersPublic,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()

	// Wherever users are known, perhaps on another host: the secret is enough.
	issuer := turnsvc.Issuer{Secret: "a long random secret", URLs: []string{"stun:turn.example.org:3478", "turn:turn.example.org:3478?transport=udp"}}
	iceServers, _ := issuer.ICEServers("alice")
	for _, s := range iceServers {
		fmt.Println(s.URLs, s.Username != "")
	}

	server.EndUser("alice") // her allocations end now, and her credential is good for nothing
	stop()
	fmt.Println(<-served)
	// Output:
	// [stun:turn.example.org:3478] false
	// [turn:turn.example.org:3478?transport=udp] true
	// <nil>
}

// A credential for one side of a room reaches the partner and nobody else, which
// is the default (PeersRoom).
func ExampleIssuer_RoomCredential() {
	issuer := turnsvc.Issuer{Secret: "a long random secret"}
	username, _, _ := issuer.RoomCredential(turnsvc.Claims{
		Room: "4711", Side: "a",
		Partner: []netip.Addr{netip.MustParseAddr("203.0.113.9")}, // a keyed tag of it is in the username, not the address
	})
	fmt.Println(len(username) < turnsvc.MaxUsernameBytes)
	// Output: true
}
