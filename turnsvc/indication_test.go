package turnsvc

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// FuzzSend holds the fast look at a Send indication to the parser of package stun:
// what passes is whole, has a peer and data before any signature, the first of each
// counts, and nothing is in it that would have to be understood.
func FuzzSend(f *testing.F) {
	peer := peerAddr(netip.MustParseAddrPort("192.0.2.1:9"))
	for _, attrs := range [][]stun.Setter{
		{peer, attr(stun.AttrData, 1, 2, 3)},
		{peerAddr(netip.MustParseAddrPort("[2001:db8::1]:9")), attr(stun.AttrData), stun.Fingerprint},
		{attr(stun.AttrData, 1), peer, peer, attr(stun.AttrData, 2), stun.NewSoftware("x")},
		{peer, attr(stun.AttrData, 1), stun.NewUsername("ann"), stun.MessageIntegrity("key"), stun.Fingerprint},
		{peer, stun.MessageIntegrity("key"), attr(stun.AttrData, 1)},
		{peer, attr(stun.AttrData, 1), attr(stun.AttrDontFragment)},
		{attr(stun.AttrXORPeerAddress)},
	} {
		f.Add(stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication)}, attrs...)...).Raw)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < messageHeaderBytes || !isSend(in) {
			return
		}
		to, data, ok := readSend(gate.Packet{Buf: slices.Clone(in), End: len(in)})
		if !ok {
			return
		}
		m := &stun.Message{Raw: slices.Clone(in)}
		if err := m.Decode(); err != nil || messageHeaderBytes+int(m.Length) != len(in) {
			t.Fatalf("readSend takes %x, stun.Decode says %v", in, err)
		}
		signed := slices.IndexFunc(m.Attributes, func(a stun.RawAttribute) bool { return a.Type == stun.AttrMessageIntegrity })
		counted := m.Attributes[:]
		if signed >= 0 {
			counted = counted[:signed]
		}
		var peers, datas [][]byte
		for _, a := range counted {
			switch {
			case a.Type == stun.AttrXORPeerAddress:
				peers = append(peers, a.Value)
			case a.Type == stun.AttrData:
				datas = append(datas, a.Value)
			case a.Type < comprehensionOptional && !understood(a.Type):
				t.Fatalf("readSend takes %x with %v", in, a.Type)
			}
		}
		if len(peers) == 0 || len(datas) == 0 || !bytes.Equal(datas[0], data.Bytes()) {
			t.Fatalf("readSend(%x) has the data %x; it has %d peers and %x", in, data.Bytes(), len(peers), datas)
		}
		again := &request{Message: &stun.Message{TransactionID: m.TransactionID}}
		if want, ok := again.unXOR(peers[0]); !ok || want != to {
			t.Fatalf("readSend(%x) is for %v, want %v, %v", in, to, want, ok)
		}
		if m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil {
			t.Fatalf("readSend takes %x with a wrong FINGERPRINT", in)
		}
	})
}
