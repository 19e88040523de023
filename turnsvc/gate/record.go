package gate

import "encoding/binary"

// The record layer of DTLS 1.2, RFC 6347 §4.1:
//
//	type 1 | version 2 | epoch 2 | sequence 6 | length 2 | fragment
const (
	recordHeaderBytes   = 13
	recordEpoch         = 3
	recordLength        = 11
	recordMajorVersion  = 0xfe // 1's complement of 1
	changeCipherSpec    = 20
	handshake           = 22
	applicationData     = 23
	clientHelloMessage  = 1
	minClientHelloBytes = 12 + 34 // the header of a handshake message, version and random
)

// readRecords looks at the records of a datagram: ok means that they are whole
// and may be for us, data that none is more than application data.
//
// Alerts and application data of epoch 0 are not encrypted, so anybody can have
// made them: pion v3.1.2 would end the connection. We never need them.
func readRecords(datagram []byte) (data, ok bool) {
	data = true
	for rest := datagram; len(rest) > 0; {
		if len(rest) <= recordHeaderBytes || rest[1] != recordMajorVersion {
			return false, false
		}
		size := recordHeaderBytes + int(binary.BigEndian.Uint16(rest[recordLength:]))
		if size > len(rest) {
			return false, false
		}
		plain := binary.BigEndian.Uint16(rest[recordEpoch:]) == 0
		switch kind := rest[0]; {
		case kind < changeCipherSpec || kind > applicationData:
			return false, false
		case plain && kind != handshake && kind != changeCipherSpec:
			return false, false
		case kind != applicationData:
			data = false
		}
		rest = rest[size:]
	}
	return data, len(datagram) > 0
}

// isClientHello reports whether a datagram may begin a connection.
func isClientHello(datagram []byte) bool {
	data, ok := readRecords(datagram)
	return ok && !data && datagram[0] == handshake &&
		len(datagram) >= recordHeaderBytes+minClientHelloBytes &&
		binary.BigEndian.Uint16(datagram[recordEpoch:]) == 0 &&
		datagram[recordHeaderBytes] == clientHelloMessage
}
