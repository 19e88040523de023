package roomkey_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
)

func TestAnIDAdmitsForItsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := roomkey.New("secret")
		id := keys.Mint()
		if len(id) != roomkey.Length || len(id) > 96 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("Mint() = %q, want %d URL-safe characters", id, roomkey.Length)
		}
		expires, err := roomkey.New("secret").Verify(id)
		if want := time.Now().Add(roomkey.Lifetime + roomkey.Skew); err != nil || want.Sub(expires).Abs() > time.Second {
			t.Errorf("Verify(Mint()) = %v, %v, want %v", expires, err, want)
		}
		<-time.After(roomkey.Lifetime)
		if _, err := keys.Verify(id); err != nil {
			t.Errorf("Verify at the end of its time, clocks apart = %v, want nil", err)
		}
		<-time.After(roomkey.Skew + time.Second)
		if _, err := keys.Verify(id); !errors.Is(err, roomkey.ErrExpired) {
			t.Errorf("Verify after its time = %v, want ErrExpired", err)
		}
	})
}

func TestForgedIDsAreRefused(t *testing.T) {
	t.Parallel()
	keys := roomkey.New("secret")
	id := keys.Mint()
	for name, forged := range map[string]string{
		"another secret's":      roomkey.New("other").Mint(),
		"empty":                 "",
		"cut":                   id[:len(id)-1],
		"longer":                id + "A",
		"not base64":            strings.Repeat("!", len(id)),
		"the seed's":            "1a2b3c4d",
		"with a line break":     id[:10] + "\n" + id[11:],
		"with another spelling": id[:len(id)-1] + string(id[len(id)-1]+1),
	} {
		if _, err := keys.Verify(forged); !errors.Is(err, roomkey.ErrForged) {
			t.Errorf("Verify(an id that is %s) = %v, want ErrForged", name, err)
		}
	}
}

// FuzzVerify holds that no change of an id is an id: one room, one spelling.
func FuzzVerify(f *testing.F) {
	keys := roomkey.New("secret")
	id := keys.Mint()
	f.Add(0, byte('A'))
	f.Add(len(id)-1, byte('_'))
	f.Fuzz(func(t *testing.T, at int, char byte) {
		if at < 0 || at >= len(id) || id[at] == char {
			return
		}
		changed := id[:at] + string(rune(char)) + id[at+1:]
		if _, err := keys.Verify(changed); err == nil {
			t.Fatalf("Verify(%q) accepts a change of %q", changed, id)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	keys := roomkey.New("secret")
	id := keys.Mint()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Verify(id); err != nil {
			b.Fatal(err)
		}
	}
}
