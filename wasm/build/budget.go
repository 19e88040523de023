package main

import (
	"fmt"
	"strings"
)

const (
	// clientBudget is how large the client may be, compressed with brotli, in
	// bytes: 0.53 of one with the structure of the first one (make bench-client).
	// It is what every visitor waits for first.
	clientBudget = 700_000

	// culprits is how many packages are named when it is larger.
	culprits = 20
)

// checkBudget fails when the client is too large, and says what it consists of.
func checkBudget(client packedFile, weights []weight) error {
	if len(client.brotli) <= clientBudget {
		return nil
	}
	var heavy strings.Builder
	for _, w := range weights[:min(culprits, len(weights))] {
		_, _ = fmt.Fprintf(&heavy, "\n%9d  %s", w.bytes, w.pkg) // a Builder never fails
	}
	return fmt.Errorf("the client has %d bytes in brotli, %d more than its budget of %d; its heaviest packages, in bytes of code before compression:%s",
		len(client.brotli), len(client.brotli)-clientBudget, clientBudget, heavy.String())
}
