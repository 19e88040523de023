package wasm

import (
	"strconv"
	"strings"
)

// coding is a content coding (RFC 9110 §8.4.1). The order is ours: where a
// browser has no preference, the first one that it takes is the smallest.
type coding int

// The codings that wasm/build prepares.
const (
	brotli coding = iota
	gzip
	identity
	codings // how many there are
)

// String is the coding's name in Accept-Encoding and Content-Encoding.
func (c coding) String() string { return [codings]string{"br", "gzip", "identity"}[c] }

// suffix is what wasm/build appends to the name of a file in this coding.
func (c coding) suffix() string { return [codings]string{".br", ".gz", ""}[c] }

// negotiate picks the coding that an Accept-Encoding header wants most of those
// at hand. Somebody who refuses all of them is sent the file as it is, which
// RFC 9110 §12.5.3 allows and every client understands.
func negotiate(accept string, atHand func(coding) bool) coding {
	best, most := identity, 0.0
	for c := range codings {
		if q := quality(accept, c); q > most && atHand(c) {
			best, most = c, q
		}
	}
	return best
}

// quality is the weight, 0 to 1, that an Accept-Encoding header gives to c.
// What it does not name has the weight of "*"; without that, identity is
// welcome when nothing else is.
func quality(accept string, c coding) float64 {
	const lastResort = 0.0001 // below the least weight that can be written, 0.001
	rest := 0.0
	if c == identity {
		rest = lastResort
	}
	for item := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, c.String()):
			return weight(parameters)
		case name == "*":
			rest = weight(parameters)
		}
	}
	return rest
}

// weight reads "q=0.5" (RFC 9110 §12.4.2). Without a weight it is 1; one that
// cannot be read is 0, so that nothing is sent that was perhaps refused.
func weight(parameters string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameters), "=")
	if !found && name == "" {
		return 1
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil || !strings.EqualFold(name, "q") || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
