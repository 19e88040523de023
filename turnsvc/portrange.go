package turnsvc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PortRange is a range of UDP ports, both ends included.
type PortRange struct{ Min, Max uint16 }

var errPortRange = errors.New("two ports such as 49152-65535")

// ParsePortRange reads "49152-65535". Port 0 and a range that runs backwards are
// errors.
func ParsePortRange(text string) (PortRange, error) {
	low, high, _ := strings.Cut(text, "-")
	from, err1 := strconv.ParseUint(low, 10, 16)
	to, err2 := strconv.ParseUint(high, 10, 16)
	r := PortRange{Min: uint16(from), Max: uint16(to)}
	if err1 != nil || err2 != nil || !r.valid() {
		return PortRange{}, fmt.Errorf("port range %q: %w", text, errPortRange)
	}
	return r, nil
}

// String is the form that ParsePortRange reads.
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.Min, r.Max) }

// MarshalText is String, for settings and flags.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParsePortRange, for settings and flags.
func (r *PortRange) UnmarshalText(text []byte) error {
	parsed, err := ParsePortRange(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// Contains reports whether port lies in the range.
func (r PortRange) Contains(port uint16) bool { return r.Min <= port && port <= r.Max }

func (r PortRange) valid() bool { return 0 < r.Min && r.Min <= r.Max }

func (r PortRange) size() int { return int(r.Max) - int(r.Min) + 1 }
