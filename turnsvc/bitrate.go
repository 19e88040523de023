package turnsvc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bitrate is a rate of data in bits per second; one below 0 is no limit. Settings
// write it as "2mbit", "500kbit", "1gbit" or "off".
type Bitrate int64

const (
	// DefaultBitrate carries one way of a call with a picture of 720p; a chat of
	// text and voice needs a twentieth.
	DefaultBitrate Bitrate = 2e6
	// NoLimit is what "off" means.
	NoLimit Bitrate = -1
)

// The other Bitrates of settings lie within these bounds.
const (
	minBitrate Bitrate = 1e3
	maxBitrate Bitrate = 1e12
)

var errBitrate = errors.New("a rate from 1kbit to 1000gbit such as 2mbit or 500kbit, or off")

type bitrateUnit struct {
	name string
	bits int64
}

// bitrateUnits are decimal, the largest first; a name stands before those that
// it ends with.
func bitrateUnits() []bitrateUnit {
	return []bitrateUnit{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}
}

// UnmarshalText reads a whole number with a unit, in large or small letters, or
// "off".
func (b *Bitrate) UnmarshalText(text []byte) error {
	low := strings.ToLower(string(text))
	if low == "off" {
		*b = NoLimit
		return nil
	}
	for _, unit := range bitrateUnits() {
		number, found := strings.CutSuffix(low, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || int64(n) > int64(maxBitrate)/unit.bits || int64(n)*unit.bits < int64(minBitrate) {
			break
		}
		*b = Bitrate(int64(n) * unit.bits)
		return nil
	}
	return fmt.Errorf("bitrate %q: %w", text, errBitrate)
}

// MarshalText is String, for settings and flags.
func (b Bitrate) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the largest unit that fits.
func (b Bitrate) String() string {
	if b < 0 {
		return "off"
	}
	for _, unit := range bitrateUnits() {
		if b != 0 && int64(b)%unit.bits == 0 {
			return strconv.FormatInt(int64(b)/unit.bits, 10) + unit.name
		}
	}
	return "0bit"
}

// takes is how long n bytes take, n being at most a few datagrams.
func (b Bitrate) takes(n int) time.Duration {
	return time.Duration(int64(n) * 8 * int64(time.Second) / int64(b))
}
