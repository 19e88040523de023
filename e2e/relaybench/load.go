//go:build linux

package main

import "time"

// direction of a load.
type direction int

const (
	upwards   direction = iota // from the client
	downwards                  // to the client
)

// load is what a server has to carry.
type load struct {
	group    string // what -only selects
	name     string
	topology topology
	size     int     // of a packet's payload, bytes
	burst    int     // packets of one flow after one another
	rate     float64 // packets a second, of all ways together
	ways     []direction
	length   time.Duration
	rung     bool // of the ladder
}

const (
	warmUp      = 150 * time.Millisecond
	loadTimeout = 3 * time.Second // beyond its length

	audioBytes = 160  // 20 ms of a voice at 64 kbit/s
	videoBytes = 1200 // a packet of a picture
	videoBurst = 8    // the packets of a picture

	audioRate = 120_000
	videoRate = 48_000 // 460 Mbit/s
	relayRate = 60_000
	tcpRate   = 30_000
)

// What -only selects.
const (
	groupAudio       = "160B"
	groupLadder      = "ladder"
	groupVideo       = "1200B"
	groupRelay       = "relay"
	groupTCP         = "tcp"
	groupMemory      = "memory"
	groupAllocations = "allocations"
)

// The loads that goals speak of.
const (
	audioUp   = "160 B, 120 kpps, up"
	videoUp   = "1200 B in bursts of 8, 48 kpps, up"
	relayed   = "160 B, 60 kpps, relay to relay"
	ladder160 = "160 kpps"
	ladder200 = "200 kpps"
)

// loads are all of them, in the order in which they are played.
func loads() []load {
	up, down, both := []direction{upwards}, []direction{downwards}, []direction{upwards, downwards}
	const long, short, brief = 2 * time.Second, 1500 * time.Millisecond, 1200 * time.Millisecond
	list := []load{
		{group: groupAudio, name: audioUp, size: audioBytes, burst: 1, rate: audioRate, ways: up, length: long},
		{group: groupAudio, name: "160 B, 120 kpps, down", size: audioBytes, burst: 1, rate: audioRate, ways: down, length: short},
		{group: groupAudio, name: "160 B, 120 kpps, both ways together", size: audioBytes, burst: 1, rate: audioRate, ways: both, length: brief},
		{group: groupVideo, name: videoUp, size: videoBytes, burst: videoBurst, rate: videoRate, ways: up, length: short},
		{group: groupVideo, name: "1200 B in bursts of 8, 48 kpps, down", size: videoBytes, burst: videoBurst, rate: videoRate, ways: down, length: short},
		{group: groupVideo, name: "1200 B in bursts of 8, 48 kpps, both ways together", size: videoBytes, burst: videoBurst, rate: videoRate, ways: both, length: brief},
		{group: groupRelay, name: relayed, topology: toRelay, size: audioBytes, burst: 1, rate: relayRate, ways: up, length: short},
		{group: groupTCP, name: "160 B, 30 kpps, clients by TCP, both ways together", topology: fromTCP, size: audioBytes, burst: 1, rate: tcpRate, ways: both, length: short},
	}
	for _, rung := range []struct {
		name string
		rate float64
	}{{"30 kpps", 30_000}, {"60 kpps", 60_000}, {"100 kpps", 100_000}, {"120 kpps", 120_000}, {ladder160, 160_000}, {ladder200, 200_000}, {"220 kpps", 220_000}} {
		list = append(list, load{group: groupLadder, name: rung.name, size: audioBytes, burst: 1, rate: rung.rate, ways: up, length: time.Second, rung: true})
	}
	return list
}

// carries tells whether a server can take a load.
func (l load) carries(name string) bool {
	return l.topology != fromTCP || (name != forwarders && name != plain)
}
