package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
)

// relayPart is the name of the relay among the parts of a process, and the kind of what
// relays of the processes of this server tell one another.
const relayPart = "relay"

// yieldTimeout bounds how long the relay may take until it reads no datagrams any more:
// it is at work on one message.
const yieldTimeout = 5 * time.Second

// relayLine is the relay of this process among those of the processes of this server.
type relayLine struct {
	line *succession.Line
	kin  *relays.Kin
}

// lineRelay has the relay that settings are for take over from that of the older
// process, and be one with those of the others.
func lineRelay(line *succession.Line, settings *turnsvc.Config) relayLine {
	if line == nil {
		return relayLine{}
	}
	r := relayLine{line: line, kin: relays.NewKin(relays.KinConfig{
		Tell:    func(process string, message []byte) { line.Tell(process, relayPart, message) },
		TellAll: func(message []byte) { line.TellAll(relayPart, message) },
		Log:     settings.Log,
	})}
	settings.Kin = r.kin
	if settings.Moved == nil { // else there is a fleet, whose nodes are never upgraded
		settings.Moved = r.kin.Moved
	}
	if estate, there := line.Inherited(relayPart); there {
		settings.Estate = turnsvc.Bequest(estate)
	}
	return r
}

// bequeath says what the relay does when there is a new process, until ctx ends.
func (r relayLine) bequeath(ctx context.Context, relay *turnsvc.Server, log *slog.Logger) {
	if r.line == nil {
		return
	}
	r.kin.Keep(relay)
	context.AfterFunc(ctx, r.kin.Close)
	r.line.On(relayPart, r.kin.Hear)
	r.line.Watch(r.kin.Set)
	r.line.Bequeath(relayPart, succession.Part{
		Estate: func() (succession.Bequest, error) {
			estate, err := relay.Estate()
			return succession.Bequest(estate), err
		},
		Will: func() (succession.Bequest, error) {
			soon, cancel := context.WithTimeout(ctx, yieldTimeout)
			defer cancel()
			will, err := relay.Will(soon)
			return succession.Bequest(will), err
		},
		Inherit: func(will succession.Bequest) error {
			err := relay.Inherit(r.line.Elder(), turnsvc.Bequest(will))
			if err == nil {
				r.kin.Set(r.line.Kin())
			}
			return err
		},
		Resume: func() {
			if err := relay.Resume(); err != nil {
				log.Error("turn goes on with less", "err", err.Error())
			}
		},
		Retire: func() {
			relay.Retire()
			r.kin.Retire()
		},
		Orphan: relay.Hurry, Left: relay.Kept,
	})
}
