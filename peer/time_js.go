package peer

import (
	"errors"
	"strconv"
	"time"
)

// errTime is a time that is not one of RFC 3339.
var errTime = errors.New("not a time of RFC 3339")

// parseTime reads a time of RFC 3339 §5.6 as Time.UnmarshalText does, whose
// parser of all formats would cost every visitor 14 kB.
func parseTime(text string) (time.Time, error) {
	const form = "0000-00-00T00:00:00"
	if len(text) <= len(form) {
		return time.Time{}, errTime
	}
	for i, c := range []byte(form) {
		if c != '0' && text[i] != c {
			return time.Time{}, errTime
		}
	}
	year, ok := digits(text[:4], 0, 9999, true)
	month, ok := digits(text[5:7], 1, 12, ok)
	day, ok := digits(text[8:10], 1, 31, ok)
	hour, ok := digits(text[11:13], 0, 23, ok)
	minute, ok := digits(text[14:16], 0, 59, ok)
	second, ok := digits(text[17:19], 0, 59, ok)
	nanosecond, zone, ok := fraction(text[len(form):], ok)
	offset, ok := zoneOffset(zone, ok)
	if !ok {
		return time.Time{}, errTime
	}
	place := time.UTC
	if zone != "Z" {
		place = time.FixedZone("", offset)
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, place)
	if t.Day() != day { // time.Date knows no 30th of February: it goes on to March
		return time.Time{}, errTime
	}
	return t, nil
}

// digits reads a number that consists of digits alone and is within bounds; ok
// says whether all was well before, and whether it still is.
func digits(text string, least, most int, ok bool) (int, bool) {
	for _, c := range []byte(text) {
		ok = ok && '0' <= c && c <= '9'
	}
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && least <= n && n <= most
}

// fraction reads the fraction of a second in nanoseconds, if there is one, and
// returns what comes after it.
func fraction(text string, ok bool) (nanoseconds int, rest string, _ bool) {
	if text[0] != '.' {
		return 0, text, ok
	}
	end := 1
	for scale := int(time.Second) / 10; end < len(text) && '0' <= text[end] && text[end] <= '9'; scale /= 10 {
		nanoseconds += int(text[end]-'0') * scale // what is smaller does not count
		end++
	}
	return nanoseconds, text[end:], ok && end > 1
}

// zoneOffset reads "Z" or "+09:00", in seconds.
func zoneOffset(text string, ok bool) (int, bool) {
	if text == "Z" {
		return 0, ok
	}
	if len(text) != len("+09:00") || text[0] != '+' && text[0] != '-' || text[3] != ':' {
		return 0, false
	}
	hours, ok := digits(text[1:3], 0, 23, ok)
	minutes, ok := digits(text[4:], 0, 59, ok)
	seconds := (hours*60 + minutes) * 60
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, ok
}
