// Package thrift keeps a server small that mostly waits.
//
// Ten thousand idle connections are little memory; ten thousand that have just
// come are twice as much, in garbage and in free pages that the runtime keeps
// for a load that does not come again. Serve gives those back to the system
// when the process is calm, so that what a machine shows is what the visitors
// need. A process that works is left alone: a smaller GOGC would save as much, and
// was measured to cost a fifth of the CPU.
package thrift

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	lookEvery = 5 * time.Second
	// calmBytes is how much a calm process allocates from one look to the next.
	calmBytes = 16 << 20
	// wasteBytes is the least that is worth a collection.
	wasteBytes = 16 << 20
	// settledLooks is how many calm looks in a row it takes until less is worth one:
	// settledWaste. That is a minute, half of what the runtime lets pass without any.
	settledLooks = 12
	settledWaste = 1 << 20
)

// Serve looks after the memory of this process until ctx ends.
func Serve(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var w watch
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if w.look(measure()) {
			debug.FreeOSMemory()
		}
	}
}

// usage is what the runtime says of its memory, in bytes.
type usage struct {
	allocated uint64 // ever
	live      uint64 // when it was last collected
	held      uint64 // objects, dead ones included, and free pages that the system has not got back
}

func measure() usage {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	return usage{
		allocated: samples[0].Value.Uint64(), live: samples[1].Value.Uint64(),
		held: samples[2].Value.Uint64() + samples[3].Value.Uint64(),
	}
}

// watch remembers the looks before.
type watch struct {
	allocated uint64
	calm      int // looks in a row
}

// look tells whether it is time to give memory back: at once if it is a quarter of
// what is live, and after each minute of calm if it is more than a little.
func (w *watch) look(u usage) bool {
	if u.allocated-w.allocated < calmBytes {
		w.calm++
	} else {
		w.calm = 0
	}
	w.allocated = u.allocated
	switch {
	case w.calm == 0:
		return false
	case w.calm%settledLooks == 0:
		return u.held > u.live+max(settledWaste, u.live/32)
	default:
		return u.held > u.live+max(wasteBytes, u.live/4)
	}
}
