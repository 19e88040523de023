package main

import "time"

// constants are what was measured. docs/benchmarks.md has each with its command,
// under "The constants of the plan", and a test holds the two together.
type constants struct {
	pairCPU     time.Duration // of a node, for two people: found, introduced, and gone again
	fleetCPU    time.Duration // of the nodes, that a pair costs more in a fleet
	connMemory  float64       // kB of a node for a WebSocket that says nothing
	tlsMemory   float64       // kB of the same with TLS
	redisAlone  time.Duration // of Redis, for a pair that comes alone
	redisMany   time.Duration // of the same when many come, whose two are at different nodes; every rule on
	redisTags   time.Duration // of the same when each has four tags
	relayCPU    time.Duration // of a node, for a relayed packet
	kernelCPU   time.Duration // of the machine, for one that the kernel relays, beyond routing it
	chatPackets float64       // a second, that a relay sends for a relayed chat
	chatBytes   float64       // a second, in them, without the headers of UDP and IP
	turnMemory  float64       // kB of a node for an allocation that says nothing
	allocations float64       // that a visitor has at most, for as long as he is there
}

func measured() constants {
	return constants{
		pairCPU:     420 * time.Microsecond,
		fleetCPU:    270 * time.Microsecond,
		connMemory:  7.2,
		tlsMemory:   18.7,
		redisAlone:  222 * time.Microsecond,
		redisMany:   18600 * time.Nanosecond,
		redisTags:   83 * time.Microsecond,
		relayCPU:    4640 * time.Nanosecond,
		kernelCPU:   390 * time.Nanosecond,
		chatPackets: 7.2,
		chatBytes:   649,
		turnMemory:  8.5,
		allocations: 3,
	}
}

// assumptions are what nobody has measured: they are about people, networks and
// prices. Whoever knows better about his own changes them here.
type assumptions struct {
	skips    float64       // share of the meetings that end at once
	skipTime time.Duration // and the mean of how long they take
	talkTime time.Duration // the mean of the others
	again    float64       // share of those who look for the next one when a meeting ends
	patience time.Duration // the mean of how long somebody waits who has nobody
	tagged   float64       // share of those who name tags
	mostTags int           // each of them between one and so many
	tags     int           // that there are
	zipf     float64       // the exponent of how popular they are
	relayed  float64       // share of the meetings that need the relay
	headroom float64       // share of a core, a link or a memory that a plan uses
	mean     float64       // mean of the visitors over a month, as a share of the peak
	core     float64       // price of a core with its memory for a month, in euros
	perGB    []float64     // prices of a GB that leaves, in euros: a rented server, a cloud
}

func assumed() assumptions {
	return assumptions{
		skips: 0.6, skipTime: 10 * time.Second, talkTime: 6 * time.Minute,
		again: 0.85, patience: time.Minute,
		tagged: 0.3, mostTags: 4, tags: 1000, zipf: 1,
		relayed: 0.2, headroom: 0.5, mean: 0.5,
		core: 5, perGB: []float64{0.001, 0.01, 0.08},
	}
}

// tagWait is MATCH_TAG_WAIT: then somebody without a shared tag is welcome, too.
const tagWait = 8 * time.Second

const (
	maxAllocations = 10_000            // TURN_MAX_ALLOCATIONS by default
	relayPorts     = 65535 - 49152 + 1 // TURN_RELAY_PORTS by default
	widePorts      = 65535 - 2048 + 1  // TURN_RELAY_PORTS=2048-65535, of a node that does nothing else
)

// maxWait is MATCH_MAX_WAIT.
const maxWait = 2 * time.Minute

// meeting is how long people are together, in the mean.
func (a assumptions) meeting() time.Duration {
	return time.Duration(a.skips*float64(a.skipTime) + (1-a.skips)*float64(a.talkTime))
}
