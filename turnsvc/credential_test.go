package turnsvc

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func at(unix int64) func() time.Time { return func() time.Time { return time.Unix(unix, 0) } }

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, username string
		claims         string
		err            error
	}{
		{"a username is taken apart", "1001:room.a", "room.a", nil},
		{"the claims may hold colons", "1001:a:b", "a:b", nil},
		{"the claims may be empty", "1001:", "", nil},
		{"the claims may be foreign", "1001:björn 王", "björn 王", nil},
		{"512 bytes are allowed", "1001:" + strings.Repeat("x", 507), strings.Repeat("x", 507), nil},
		{"513 bytes are not", "1001:" + strings.Repeat("x", 508), "", ErrMalformed},
		{"the second of expiry is too late", "1000:ann", "ann", ErrExpired},
		{"an empty username is malformed", "", "", ErrMalformed},
		{"a colon is needed", "1001", "", ErrMalformed},
		{"an expiry is needed", ":ann", "", ErrMalformed},
		{"an expiry is a number", "soon:ann", "", ErrMalformed},
		{"an expiry has no sign", "+1001:ann", "", ErrMalformed},
		{"an expiry has no leading zero", "01001:ann", "", ErrMalformed},
		{"an expiry is not negative", "-1:ann", "", ErrMalformed},
		{"an expiry is before the year 10000", "253402300800:ann", "", ErrMalformed},
		{"an expiry fits 64 bits", "99999999999999999999:ann", "", ErrMalformed},
		{"a line feed is malformed", "1001:a\nb", "", ErrMalformed},
		{"a bidi control is malformed", "1001:a\u202eb", "", ErrMalformed},
		{"broken UTF-8 is malformed", "1001:\xff", "", ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := Verifier{Secrets: []string{"new", "old"}, Now: at(1000)}
			got, err := v.Check(c.username)
			if !errors.Is(err, c.err) || got.Claims != c.claims {
				t.Fatalf("Check(%q) = %+v, %v, want claims %q, %v", c.username, got, err, c.claims, c.err)
			}
			if errors.Is(err, ErrMalformed) {
				return
			}
			if !got.Accepts(password("new", c.username)) || !got.Accepts(password("old", c.username)) {
				t.Error("the password of one of the secrets is not accepted")
			}
			if got.Accepts("") || got.Accepts(password("other", c.username)) || got.Accepts(password("new", "1001:eve")) {
				t.Error("a wrong password is accepted")
			}
		})
	}
}

// TestPassword holds what every other TURN REST implementation computes.
func TestPassword(t *testing.T) {
	t.Parallel()
	// printf '1433895918:ann' | openssl dgst -sha1 -hmac north -binary | base64
	if got, want := password("north", "1433895918:ann"), "zAlhH20kpuDJR8ZKdq5vyQV+Ung="; got != want {
		t.Errorf("password = %s, want %s", got, want)
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	i := Issuer{
		Secret: "new", TTL: 90 * time.Second, Now: at(1000),
		URLs: []string{"turn:192.0.2.1:3478?transport=udp", "stun:192.0.2.1:3478", "turns:example.org:443?transport=tcp"},
	}
	username, proof, expires := i.Credentials("room")
	if username != "1090:room" || !expires.Equal(time.Unix(1090, 0)) {
		t.Errorf("Credentials = %s until %v, want 1090:room until 1090", username, expires)
	}
	c, err := Verifier{Secrets: []string{"newer", "new"}, Now: at(1089)}.Check(username)
	if err != nil || !c.Accepts(proof) || !c.Expires.Equal(expires) {
		t.Errorf("Check(%s) = %+v, %v, want it good", username, c, err)
	}
	servers, _ := i.ICEServers("room")
	want := []wire.ICEServer{
		{URLs: []string{i.URLs[1]}},
		{URLs: []string{i.URLs[0], i.URLs[2]}, Username: username, Credential: proof},
	}
	if !reflect.DeepEqual(servers, want) {
		t.Errorf("ICEServers = %+v, want %+v", servers, want)
	}
	if servers, _ := (Issuer{Secret: "new"}).ICEServers("room"); len(servers) != 0 {
		t.Errorf("ICEServers without URLs = %+v, want none", servers)
	}
	if _, _, expires := (Issuer{Now: at(1000)}).Credentials(""); !expires.Equal(time.Unix(1600, 0)) {
		t.Errorf("without a TTL Credentials end at %v, want after 10 min", expires)
	}
}

// TestMinter holds that what is prepared once mints what is made each time.
func TestMinter(t *testing.T) {
	t.Parallel()
	i := Issuer{Secret: "new", Now: at(1000), URLs: []string{"stun:192.0.2.1:3478", "turn:192.0.2.1:3478?transport=udp"}}
	m := i.Minter()
	for _, claims := range []Claims{
		{Room: "room", Side: "ma", Partner: []netip.Addr{netip.MustParseAddr("198.51.100.7")}},
		{Room: "hidden", Side: "mb", Hidden: true, Partner: []netip.Addr{netip.MustParseAddr("198.51.100.7")}},
		{Room: "another", Side: "sb", Partner: []netip.Addr{{}}},
		{Room: strings.Repeat("r", 200), Side: "mb", Partner: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:198.51.100.7")}},
	} {
		username, proof, expires := i.RoomCredential(claims)
		want := []wire.ICEServer{{URLs: i.URLs[:1]}, {URLs: i.URLs[1:], Username: username, Credential: proof}}
		if servers, until := m.RoomServers(claims); !reflect.DeepEqual(servers, want) || !until.Equal(expires) {
			t.Errorf("RoomServers(%+v) = %+v until %v, want %+v until %v", claims, servers, until, want, expires)
		}
	}
}

// FuzzUsername holds that there is one way to write a username.
func FuzzUsername(f *testing.F) {
	f.Add("1800000000:room.a")
	f.Add("01:x")
	f.Add("-1:\x00")
	f.Fuzz(func(t *testing.T, username string) {
		expiry, claims, err := parseUsername(username)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("parseUsername(%q) = %v, want ErrMalformed", username, err)
			}
			return
		}
		if again := formatUsername(expiry, claims); again != username || len(username) > MaxUsernameBytes {
			t.Fatalf("formatUsername(parseUsername(%q)) = %q", username, again)
		}
	})
}
