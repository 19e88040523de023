//go:build browser

package e2e

import (
	"slices"
	"strings"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// nosy is where a client of a laboratory sends its questions for names.
const nosy = "127.0.0.1:53"

// asksNobody notes the names that programs of a client ask for, and answers that
// there is no such name (RFC 1035 §4.1). The test
// fails if there were any.
func (w *world) asksNobody(side natlab.Side) {
	w.t.Helper()
	conn, err := w.lab.Client(side).ListenPacket(w.t.Context(), "udp4", nosy)
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	var listening sync.WaitGroup
	listening.Go(func() { // ends when conn is closed
		packet := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if name := question(packet[:n]); !slices.Contains(names, name) {
				names = append(names, name)
			}
			if n > 3 {
				packet[2], packet[3] = 0x81, 0x83 // an answer, NXDOMAIN
				_, _ = conn.WriteTo(packet[:n], from)
			}
		}
	})
	w.t.Cleanup(func() {
		_ = conn.Close()
		listening.Wait()
		if len(names) > 0 {
			w.t.Errorf("the browser of %v asks for %q", side, names)
		}
	})
}

// question is the name that a DNS message asks for.
func question(message []byte) string {
	const header = 12
	if len(message) < header {
		return ""
	}
	var name strings.Builder
	for rest := message[header:]; len(rest) > 0 && rest[0] > 0 && int(rest[0]) < len(rest); rest = rest[1+rest[0]:] {
		name.Write(rest[1 : 1+rest[0]])
		name.WriteByte('.')
	}
	return name.String()
}
