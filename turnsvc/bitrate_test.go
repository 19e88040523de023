package turnsvc

import (
	"errors"
	"testing"
)

func TestBitrate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want Bitrate
		back string
	}{
		{"2mbit", 2e6, "2mbit"},
		{"2Mbit", 2e6, "2mbit"},
		{"500kbit", 5e5, "500kbit"},
		{"1gbit", 1e9, "1gbit"},
		{"1500kbit", 15e5, "1500kbit"},
		{"1000000bit", 1e6, "1mbit"},
		{"1kbit", 1e3, "1kbit"},
		{"1000gbit", 1e12, "1000gbit"},
		{"off", NoLimit, "off"},
	} {
		var got Bitrate
		if err := got.UnmarshalText([]byte(c.text)); err != nil || got != c.want || got.String() != c.back {
			t.Errorf("Bitrate %q = %v, %v, want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		"", "2", "mbit", "0bit", "0mbit", "999bit", "-1mbit", "+1mbit", "1.5mbit", "2 mbit", "2mbit/s", "2mb",
		"1001gbit", "18446744073709551616bit", "9223372036854775807gbit", "offf", "mbit2",
	} {
		got := Bitrate(7)
		if err := got.UnmarshalText([]byte(text)); !errors.Is(err, errBitrate) || got != 7 {
			t.Errorf("Bitrate %q = %v, %v, want %v", text, got, err, errBitrate)
		}
	}
	if got := Bitrate(0).String() + " " + Bitrate(1).String(); got != "0bit 1bit" {
		t.Errorf("the smallest are written %q", got)
	}
}

// FuzzBitrate holds that what is read is within the bounds, and is read again as
// it is written.
func FuzzBitrate(f *testing.F) {
	for _, seed := range []string{"2mbit", "OFF", "1000gbit", "123456789bit", "00007kbit"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Bitrate
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if b != NoLimit && (b < minBitrate || b > maxBitrate) {
			t.Fatalf("%q is read as %d bit/s, which is out of bounds", text, b)
		}
		out, err := b.MarshalText()
		if err != nil || again.UnmarshalText(out) != nil || again != b {
			t.Fatalf("%q is read as %d, written %q, %v, and read as %d", text, b, out, err, again)
		}
	})
}
