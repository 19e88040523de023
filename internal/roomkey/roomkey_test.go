package roomkey_test

import (
	"encoding/base64"
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
		id := keys.Mint(roomkey.NewName())
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

// TestANameIsThatOfItsID holds that a name is known before its id, fits into the
// claims of a TURN credential, and admits to nothing.
func TestANameIsThatOfItsID(t *testing.T) {
	t.Parallel()
	keys := roomkey.New("secret")
	name, other := roomkey.NewName(), roomkey.NewName()
	if name == other {
		t.Errorf("NewName() = %q twice", name)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(name); err != nil || len(raw) != 16 {
		t.Errorf("NewName() = %q, want 16 random bytes in base64url", name)
	}
	id := keys.Mint(name)
	if got := roomkey.Name(id); got != name {
		t.Errorf("Name(Mint(%q)) = %q", name, got)
	}
	if _, err := keys.Verify(name); !errors.Is(err, roomkey.ErrForged) {
		t.Errorf("Verify(a name) = %v, want ErrForged", err)
	}
	if _, err := keys.Verify(other + id[len(name):]); !errors.Is(err, roomkey.ErrForged) {
		t.Errorf("Verify(an id under another name) = %v, want ErrForged", err)
	}
	if got := roomkey.Name("my room"); got != "my room" {
		t.Errorf("Name(no id) = %q, want it as it is", got)
	}
}

func TestOnlyNamesAreMinted(t *testing.T) {
	t.Parallel()
	keys := roomkey.New("secret")
	name := roomkey.NewName()
	for what, bad := range map[string]string{
		"nothing": "", "a short one": name[1:], "a long one": name + "A", "an id": keys.Mint(name),
		"another spelling": name[:len(name)-1] + string(name[len(name)-1]+1), "line breaks": "\n\n" + name,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Mint(%s) does not panic", what)
				}
			}()
			keys.Mint(bad)
		}()
	}
}

func TestForgedIDsAreRefused(t *testing.T) {
	t.Parallel()
	keys := roomkey.New("secret")
	id := keys.Mint(roomkey.NewName())
	for name, forged := range map[string]string{
		"another secret's":      roomkey.New("other").Mint(roomkey.NewName()),
		"empty":                 "",
		"cut":                   id[:len(id)-1],
		"longer":                id + "A",
		"not base64":            strings.Repeat("!", len(id)),
		"the seed's":            "1a2b3c4d",
		"with a line break":     id[:10] + "\n" + id[11:],
		"spelled anew":          id[:21] + string(id[21]+1) + id[22:],
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
	id := keys.Mint(roomkey.NewName())
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

func BenchmarkMint(b *testing.B) {
	keys := roomkey.New("secret")
	b.ReportAllocs()
	for b.Loop() {
		keys.Mint(roomkey.NewName())
	}
}

func BenchmarkVerify(b *testing.B) {
	keys := roomkey.New("secret")
	id := keys.Mint(roomkey.NewName())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Verify(id); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNamesAreKnown(t *testing.T) {
	t.Parallel()
	name := roomkey.NewName()
	for text, want := range map[string]bool{
		name: true, "": false, "ann": false, name[1:]: false, name + "a": false, "@" + name[1:]: false, roomkey.New("secret").Mint(name): false,
	} {
		if got := roomkey.IsName(text); got != want {
			t.Errorf("IsName(%q) = %v, want %v", text, got, want)
		}
	}
}

// TestNamesAreNoFlags draws so many that one with a hyphen would be among them.
func TestNamesAreNoFlags(t *testing.T) {
	t.Parallel()
	for range 10_000 {
		if name := roomkey.NewName(); name[0] == '-' || !roomkey.IsName(name) {
			t.Fatalf("NewName() = %q, want a name that a command does not take for a flag", name)
		}
	}
}
