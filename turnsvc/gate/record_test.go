package gate

import (
	"slices"
	"testing"

	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"
)

// record is a record of DTLS.
func record(kind, epoch byte, fragment ...byte) []byte {
	return append([]byte{kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 0, byte(len(fragment))}, fragment...)
}

func TestReadRecords(t *testing.T) {
	t.Parallel()
	hello := record(handshake, 0, append([]byte{1}, make([]byte, 60)...)...)
	data := record(applicationData, 1, 1, 2, 3)
	for _, c := range []struct {
		name                string
		datagram            []byte
		data, ok, beginning bool
	}{
		{"a ClientHello", hello, false, true, true},
		{"a ServerHello", record(handshake, 0, append([]byte{2}, make([]byte, 60)...)...), false, true, false},
		{"a ClientHello that is too short", record(handshake, 0, 1, 2, 3), false, true, false},
		{"a ClientHello in a later epoch", record(handshake, 1, append([]byte{1}, make([]byte, 60)...)...), false, true, false},
		{"application data", data, true, true, false},
		{"application data twice", slices.Concat(data, data), true, true, false},
		{"application data and a handshake", slices.Concat(data, hello), false, true, false},
		{"the end of a handshake", slices.Concat(record(changeCipherSpec, 0, 1), record(handshake, 1, 1, 2)), false, true, false},
		{"an encrypted alert", record(21, 1, 1, 2), false, true, false},
		{"an alert that anybody can have sent", record(21, 0, 1, 0), false, false, false},
		{"data that anybody can have sent", record(applicationData, 0, 1, 0), false, false, false},
		{"a record of TLS", append([]byte{22, 3, 1}, hello[3:]...), false, false, false},
		{"a record with a connection ID", record(25, 1, 1), false, false, false},
		{"half a record", hello[:20], false, false, false},
		{"a record and half another", append(slices.Clone(data), 23), false, false, false},
		{"nothing", nil, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, ok := readRecords(c.datagram)
			if ok != c.ok || ok && data != c.data || isClientHello(c.datagram) != c.beginning {
				t.Errorf("readRecords = %v, %v, isClientHello = %v, want %v, %v, %v",
					data, ok, isClientHello(c.datagram), c.data, c.ok, c.beginning)
			}
		})
	}
}

// FuzzRecords holds that pion finds the same records in what passes.
func FuzzRecords(f *testing.F) {
	f.Add(record(handshake, 0, append([]byte{1}, make([]byte, 60)...)...))
	f.Add(slices.Concat(record(applicationData, 1, 1), record(applicationData, 1)))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		data, ok := readRecords(datagram)
		if !ok {
			return
		}
		records, err := recordlayer.UnpackDatagram(datagram)
		if err != nil || !slices.Equal(slices.Concat(records...), datagram) {
			t.Fatalf("%x passes, but pion finds %x, %v", datagram, records, err)
		}
		for _, r := range records {
			if data && r[0] != applicationData {
				t.Fatalf("%x passes as data alone, but has a record of type %d", datagram, r[0])
			}
		}
	})
}
