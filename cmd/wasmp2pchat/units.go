package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes, written with a unit: 64KiB, 1MiB, 500kB.
type byteSize int64

var errByteSize = errors.New("a size such as 64KiB, 1MiB or 4096")

type byteUnit struct {
	name  string
	bytes int64
}

// byteUnits are the units of a byteSize: the binary ones, from the smallest,
// then the others; a name stands before those that it ends with.
func byteUnits() []byteUnit {
	return []byteUnit{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"kB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"B", 1},
		{"", 1},
	}
}

// UnmarshalText reads a whole number and a unit.
func (b *byteSize) UnmarshalText(text []byte) error {
	for _, unit := range byteUnits() {
		number, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/unit.bytes {
			return errByteSize
		}
		*b = byteSize(n * unit.bytes)
		return nil
	}
	return errByteSize
}

// String writes the largest unit that fits, so that 1TB is not 976562500KiB.
func (b byteSize) String() string {
	best := byteUnit{bytes: 1}
	for _, unit := range byteUnits() {
		if b != 0 && int64(b)%unit.bytes == 0 && unit.bytes > best.bytes {
			best = unit
		}
	}
	return strconv.FormatInt(int64(b)/best.bytes, 10) + best.name
}

// rate is so many a second, written 10/s, 30/m or 1000/h; 0 is no limit.
type rate float64

var errRate = errors.New("a rate such as 10/s, 30/m or 1000/h, or 0 for no limit")

// UnmarshalText reads a number and the time it is for.
func (r *rate) UnmarshalText(text []byte) error {
	number, per, _ := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(number, 10, 31)
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[per]
	if err != nil || (n != 0 || per != "") && seconds == 0 {
		return errRate
	}
	if seconds != 0 {
		*r = rate(float64(n) / seconds)
	}
	return nil
}

// String writes it as so many a second, minute or hour, whichever is a whole
// number.
func (r rate) String() string {
	perHour := math.Round(float64(r) * 3600)
	switch {
	case math.Mod(perHour, 3600) == 0:
		return strconv.FormatFloat(perHour/3600, 'f', 0, 64) + "/s"
	case math.Mod(perHour, 60) == 0:
		return strconv.FormatFloat(perHour/60, 'f', 0, 64) + "/m"
	default:
		return strconv.FormatFloat(perHour, 'f', 0, 64) + "/h"
	}
}
