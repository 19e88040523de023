package lab

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// Pair is two people and what is between them.
type Pair struct {
	A, B      Kind
	OneNAT    bool          // both are behind A's router
	RelayOnly bool          // both hide their addresses
	Cloud     bool          // the server is behind a static 1:1 NAT
	Loss      int           // percent of packets, on each side, each way
	Delay     time.Duration // on each side, each way
	Jitter    time.Duration // how much the delay varies, more or less
}

// Name tells pairs apart: prcone-symmetric, or prcone-symmetric/loss5.
func (p Pair) Name() string {
	name := string(p.A) + "-" + string(p.B)
	if circumstance := p.Circumstance(); circumstance != "" {
		name += "/" + circumstance
	}
	return name
}

// Circumstance is what is not usual; empty if all is.
func (p Pair) Circumstance() string {
	var list []string
	for _, c := range []struct {
		so   bool
		name string
	}{
		{p.OneNAT, "onenat"},
		{p.RelayOnly, "relay"},
		{p.Cloud, "cloud"},
		{p.Loss > 0, fmt.Sprintf("loss%d", p.Loss)},
		{p.Delay > 0, fmt.Sprintf("delay%d", p.Delay.Milliseconds())},
	} {
		if c.so {
			list = append(list, c.name)
		}
	}
	return strings.Join(list, "+")
}

// turned is the same pair with A for B.
func (p Pair) turned() Pair {
	p.A, p.B = p.B, p.A
	return p
}

// What paths are made worse by: a mobile network in a train, and another continent.
const (
	matrixLoss   = 5 // percent
	matrixDelay  = 40 * time.Millisecond
	matrixJitter = 5 * time.Millisecond
)

// Matrix lists every pair of kinds, and then those in which something else is not
// usual: two people behind one NAT, addresses that are hidden (every transport to
// the relay with every other), a server behind 1:1 NAT, loss, delay.
func Matrix() []Pair {
	var list []Pair
	each := func(kinds []Kind, shape func(*Pair)) {
		for i, a := range kinds {
			for _, b := range kinds[i:] {
				p := Pair{A: a, B: b}
				shape(&p)
				list = append(list, p)
			}
		}
	}
	each(Kinds(), func(*Pair) {})
	for _, kind := range []Kind{PRCone, Symmetric, UDPBlocked, TCP443} {
		list = append(list, Pair{A: kind, B: kind, OneNAT: true})
	}
	each([]Kind{PRCone, UDPBlocked, TCP443, IPv6}, func(p *Pair) { p.RelayOnly = true })
	for _, shape := range []Pair{{Cloud: true}, {Loss: matrixLoss}, {Delay: matrixDelay, Jitter: matrixJitter}} {
		for _, kind := range []Kind{PRCone, Symmetric, UDPBlocked, TCP443} {
			p := shape
			p.A, p.B = kind, kind
			list = append(list, p)
		}
	}
	return list
}

// Select is the pairs whose name a pattern of path.Match fits, either way round; all
// if there is no pattern. A pattern that fits none is an error.
func Select(pairs []Pair, patterns []string) ([]Pair, error) {
	if len(patterns) == 0 {
		return pairs, nil
	}
	used := make([]bool, len(patterns))
	var list []Pair
	for _, p := range pairs {
		fits := false
		for i, pattern := range patterns {
			one, err := path.Match(pattern, p.Name())
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			other, _ := path.Match(pattern, p.turned().Name()) // as good a pattern
			if one || other {
				used[i], fits = true, true
			}
		}
		if fits {
			list = append(list, p)
		}
	}
	for i, pattern := range patterns {
		if !used[i] {
			return nil, fmt.Errorf("no pair is called %q", pattern)
		}
	}
	return list, nil
}
