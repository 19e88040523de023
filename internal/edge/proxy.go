package edge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/pires/go-proxyproto"
)

// How a header of the PROXY protocol begins, and how long it may be
// (haproxy.org, proxy-protocol.txt §2).
const (
	headerV1    = "PROXY "
	headerV2    = "\r\n\r\n\x00\r\nQUIT\n"
	maxV1Bytes  = 107
	fixedV2     = 16      // bytes before those that a header counts itself
	maxV2Counts = 4 << 10 // addresses and a client's certificate, as go-proxyproto takes it
	maxHeader   = fixedV2 + maxV2Counts
)

var (
	errLongHeader = errors.New("header of the PROXY protocol is too long")
	errNotTCP     = errors.New("header of the PROXY protocol is not about TCP")
)

// readHeader reads the header of the PROXY protocol, version 1 or 2, with which
// the connection of a proxy may begin, however it is chopped. The client is nil
// if there is no header, or if the header says so: LOCAL, for a check of the
// proxy's own, or UNKNOWN. What was read behind the header is rest.
//
// Nothing else that is served here begins so: a ClientHello begins with byte 22,
// TURN with 0 or 1, and no method of HTTP with "PROX", not even PROPFIND.
func readHeader(conn io.Reader) (client net.Addr, rest []byte, err error) {
	r := bufio.NewReaderSize(conn, maxHeader)
	found, err := awaitHeader(r)
	if err != nil {
		return nil, nil, err
	}
	if found {
		header, err := proxyproto.Read(r)
		if err != nil {
			return nil, nil, err
		}
		if client, err = named(header); err != nil {
			return nil, nil, err
		}
	}
	behind, _ := r.Peek(r.Buffered()) // never fails
	return client, slices.Clone(behind), nil
}

// awaitHeader reads until a whole header is in the buffer, which is true, or
// until it is known that there is none.
func awaitHeader(r *bufio.Reader) (bool, error) {
	for {
		if _, err := r.Peek(r.Buffered() + 1); err != nil {
			return false, fmt.Errorf("await the header of the PROXY protocol: %w", err)
		}
		begin, _ := r.Peek(r.Buffered()) // never fails
		found, more, err := lookForHeader(begin)
		if err != nil || !more {
			return found, err
		}
	}
}

// lookForHeader tells whether a connection that begins so begins with a whole
// header, or whether that cannot be known without more of it, which is never
// more than maxHeader.
func lookForHeader(begin []byte) (found, more bool, err error) {
	switch {
	case startsWith(begin, headerV1):
		line := begin[:min(len(begin), maxV1Bytes)]
		found = bytes.IndexByte(line, '\n') >= 0
		if !found && len(line) == maxV1Bytes {
			return false, false, errLongHeader
		}
	case startsWith(begin, headerV2):
		if len(begin) < fixedV2 {
			return false, true, nil
		}
		counts := int(binary.BigEndian.Uint16(begin[fixedV2-2:]))
		if counts > maxV2Counts {
			return false, false, errLongHeader
		}
		found = len(begin) >= fixedV2+counts
	default:
		return false, false, nil
	}
	return found, !found, nil
}

// startsWith tells whether begin starts with sign, as far as it goes.
func startsWith(begin []byte, sign string) bool {
	n := min(len(begin), len(sign))
	return string(begin[:n]) == sign[:n]
}

// named is the client that a header names, nil if it names none.
func named(header *proxyproto.Header) (net.Addr, error) {
	if header.Command.IsLocal() {
		return nil, nil
	}
	client, ok := header.SourceAddr.(*net.TCPAddr)
	if !ok {
		return nil, errNotTCP
	}
	return client, nil
}
