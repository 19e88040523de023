package main

import (
	"math"
	"time"
)

// Seconds of a month of 30 days.
const month = 30 * 24 * time.Hour

// headers are the bytes that UDP and IPv4 add to a packet.
const headers = 28

// shard is one pool of the plan.
type shard struct {
	name     string
	visitors int
}

// shards divides the visitors among regions and languages, both by Zipf: few
// pools are big, many are small.
func shards(visitors int, regions, languages []string) []shard {
	var list []shard
	at := func(sums []float64, i int) float64 {
		if i == 0 {
			return sums[0]
		}
		return sums[i] - sums[i-1]
	}
	byRegion, byLanguage := zipf(len(regions), 1), zipf(len(languages), 1)
	for i, region := range regions {
		for k, language := range languages {
			share := at(byRegion, i) * at(byLanguage, k)
			list = append(list, shard{region + ", " + language, int(share*float64(visitors) + 0.5)})
		}
	}
	return list
}

// fleet is what so many pairs and visitors take.
type fleet struct {
	visitors, pairs float64

	pairCores, relayCores float64 // busy, without the headroom
	connGB, relayGB       float64 // of memory
	redisCores            float64 // busy, of all pools together, if pairs come alone
	relayedChats          float64
	relayMbit             float64 // a second, that leaves at the peak
	relayTB               float64 // a month, that leaves
	allocations           float64 // each with a port
	nodes                 float64 // that have the ports
	cores                 float64 // to be rented, with the headroom; one for a node at least
}

// plan adds up what visitors and pairs a second of the peak take.
func plan(visitors, pairs float64, c constants, a assumptions) fleet {
	f := fleet{visitors: visitors, pairs: pairs}
	f.pairCores = pairs * (c.pairCPU + c.fleetCPU).Seconds()
	f.connGB = visitors * c.connMemory / 1e6
	f.redisCores = pairs * c.redisAlone.Seconds()
	f.relayedChats = visitors / 2 * a.relayed
	f.allocations = visitors * c.allocations
	f.relayGB = f.allocations * c.turnMemory / 1e6
	f.relayCores = f.relayedChats * c.chatPackets * c.relayCPU.Seconds()
	perChat := c.chatBytes + c.chatPackets*headers
	f.relayMbit = f.relayedChats * perChat * 8 / 1e6
	f.relayTB = f.relayedChats * a.mean * perChat * month.Seconds() / 1e12
	f.nodes = math.Ceil(f.allocations / widePorts)
	f.cores = max(f.nodes, math.Ceil((f.pairCores+f.relayCores+f.redisCores)/a.headroom))
	return f
}

// euros is what a fleet costs a month: its cores, and what leaves at a price per
// GB.
func (f fleet) euros(a assumptions, perGB float64) float64 {
	return f.cores*a.core + f.relayTB*1000*perGB
}

// traffic is what a kind of relayed conversation has a relay send.
type traffic struct {
	name           string
	packets, bytes float64 // a second, both ways together
}

// kinds are the chats of this program, as they were measured, and what other
// applications have relayed with their credentials: nominal rates of their
// codecs.
func kinds(c constants) []traffic {
	return []traffic{
		{"a chat of ours", c.chatPackets, c.chatBytes},
		{"a call: voice of 32 kbit/s each way, 50 packets a second", 100, 2 * 4000},
		{"a call with video of 1 Mbit/s each way, 1,100 bytes a packet", 2 * 113.6, 2 * 125000},
	}
}

// hour is what an hour of it takes of a relay: GB that leave, and seconds of a
// core.
func (t traffic) hour(c constants) (gb, cpu float64) {
	return (t.bytes + t.packets*headers) * 3600 / 1e9, t.packets * 3600 * c.relayCPU.Seconds()
}

// perCore is how many at a time one core relays, with headroom.
func (t traffic) perCore(c constants, a assumptions) float64 {
	return a.headroom / (t.packets * c.relayCPU.Seconds())
}
