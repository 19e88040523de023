package turnsvc

import (
	"errors"
	"fmt"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane/ebpf"
)

// DataPlane says what carries the datagrams of channels.
type DataPlane uint8

// The data planes. Each falls back to the next that works.
const (
	// PlaneAuto is the best that works on this machine with the rights of the
	// process.
	PlaneAuto DataPlane = iota
	// PlaneEBPF carries channels in the kernel; the rest is as with PlaneBatch.
	PlaneEBPF
	// PlaneBatch carries in this process, many datagrams for one system call. It
	// takes Linux.
	PlaneBatch
	// PlanePion carries one datagram after the other, through pion.
	PlanePion
)

var errDataPlane = errors.New("auto, ebpf, batch or pion")

// String is the name of the plane in settings, metrics and the log.
func (p DataPlane) String() string {
	switch p {
	case PlaneAuto:
		return "auto"
	case PlaneEBPF:
		return "ebpf"
	case PlaneBatch:
		return "batch"
	case PlanePion:
		return "pion"
	}
	return fmt.Sprintf("plane %d", uint8(p))
}

// MarshalText is String, for settings and flags.
func (p DataPlane) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name of a plane.
func (p *DataPlane) UnmarshalText(text []byte) error {
	for _, known := range []DataPlane{PlaneAuto, PlaneEBPF, PlaneBatch, PlanePion} {
		if string(text) == known.String() {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("data plane %q: %w", text, errDataPlane)
}

// kernel is the plane that carries channels in the kernel.
func kernel(o dataplane.Options) (dataplane.Plane, error) { return ebpf.Open(o) }

// choosePlanes opens the best planes that the setting and the machine allow: one in
// the kernel or none, over user space by batch or by pion. It says once which it
// has taken, and why not the better ones.
func (s *Server) choosePlanes() {
	want, attrs := s.cfg.DataPlane, []any{}
	refused := func(p DataPlane, err error) { attrs = append(attrs, "without_"+p.String(), err.Error()) }
	taken := PlanePion
	if want <= PlaneBatch {
		if err := s.openBatch(); err != nil {
			refused(PlaneBatch, err)
		} else {
			taken = PlaneBatch
		}
	}
	s.userSpace = taken
	if want <= PlaneEBPF {
		if plane, err := s.cfg.kernel(s.planeOptions()); err != nil {
			refused(PlaneEBPF, err)
		} else {
			s.kernel = newCarriage(s, plane)
			taken = PlaneEBPF
		}
	}
	attrs = append([]any{"plane", taken.String(), "asked_for", want.String()}, attrs...)
	if want != PlaneAuto && want != taken {
		s.log.Warn("turn data plane does not work", attrs...)
		return
	}
	s.log.Info("turn data plane chosen", attrs...)
}

func (s *Server) planeOptions() dataplane.Options {
	return dataplane.Options{
		Bitrate: int64(s.homes.meter.rate()), BurstBytes: minBurstBytes,
		MaxChannels: s.cfg.MaxAllocations * maxChannels, Log: s.log,
	}
}
