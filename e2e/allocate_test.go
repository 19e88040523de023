//go:build browser

package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// granted is what allocate returns instead of an error code.
const granted stun.ErrorCode = 0

// allocate asks a TURN server for a relay over UDP, as a browser does (RFC 8656
// §7), and returns the error code of the answer.
func allocate(t *testing.T, on machine, address string, credential wire.ICEServer) stun.ErrorCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := on.Dial(ctx, "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	// 17 is UDP in the registry of IP protocols.
	udp := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	challenge := roundTrip(t, conn, udp)
	var realm stun.Realm
	var nonce stun.Nonce
	if err := challenge.Parse(&realm, &nonce); err != nil {
		t.Fatalf("answer to an Allocate without credentials: %v: %v", challenge, err)
	}
	answer := roundTrip(t, conn, udp,
		stun.NewUsername(credential.Username), realm, nonce,
		stun.NewLongTermIntegrity(credential.Username, realm.String(), credential.Credential))
	if answer.Type.Class == stun.ClassSuccessResponse {
		return granted
	}
	var fault stun.ErrorCodeAttribute
	if err := fault.GetFrom(answer); err != nil {
		t.Fatalf("answer to an Allocate: %v: %v", answer, err)
	}
	return fault.Code
}

// roundTrip sends an Allocate with attributes until it is answered.
func roundTrip(t *testing.T, conn net.Conn, attributes ...stun.Setter) *stun.Message {
	t.Helper()
	request, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)}, attributes...)...)
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 1500)
	for range 5 {
		if _, err := conn.Write(request.Raw); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(packet)
		if err != nil {
			continue
		}
		answer := &stun.Message{Raw: packet[:n]}
		if err := answer.Decode(); err == nil && answer.TransactionID == request.TransactionID {
			return answer
		}
	}
	t.Fatal("the relay does not answer an Allocate")
	return nil
}
