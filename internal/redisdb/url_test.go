package redisdb

import (
	"slices"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]target{
		"redis://h":                        {scheme: "redis", addresses: []string{"h:6379"}},
		" redis://h:1/2 ":                  {scheme: "redis", addresses: []string{"h:1"}, db: 2},
		"valkey://:p%40w@h":                {scheme: "valkey", addresses: []string{"h:6379"}, password: "p@w"},
		"redis://u:p/w#x@h":                {scheme: "redis", addresses: []string{"h:6379"}, user: "u", password: "p/w#x"},
		"redis://u:p:w@[2001:db8::1]:7/0":  {scheme: "redis", addresses: []string{"[2001:db8::1]:7"}, user: "u", password: "p:w"},
		"redis://[::1]":                    {scheme: "redis", addresses: []string{"[::1]:6379"}},
		"redis://a,b:7?addr=c":             {scheme: "redis", addresses: []string{"a:6379", "b:7", "c:6379"}},
		"unix:///run/redis.sock?db=3":      {scheme: "unix", socket: true, addresses: []string{"/run/redis.sock"}, db: 3},
		"unix://u:p@/run/redis.sock":       {scheme: "unix", socket: true, addresses: []string{"/run/redis.sock"}, user: "u", password: "p"},
		"redis+sentinel://:p@a,b:7/main/1": {scheme: "redis+sentinel", addresses: []string{"a:26379", "b:7"}, password: "p", primary: "main", db: 1},
		"redis-sentinel://a/main?sentinel_user=s&sentinel_password=q": {scheme: "redis-sentinel", addresses: []string{"a:26379"}, primary: "main", sentinelUser: "s", sentinelPassword: "q"},
		"redis://a:26380?master_set=main&addr=b":                      {scheme: "redis", addresses: []string{"a:26380", "b:26379"}, primary: "main"},
	} {
		got, err := parse(raw)
		if err != nil || !got.same(want) {
			t.Errorf("parse(%q) = %+v, %v, want %+v", raw, got, err, want)
		}
	}
}

// same reports whether two targets are the same, but for TLS.
func (t target) same(u target) bool {
	return slices.Equal(t.addresses, u.addresses) && t.scheme == u.scheme && t.socket == u.socket && t.user == u.user && t.password == u.password && t.db == u.db &&
		t.primary == u.primary && t.sentinelUser == u.sentinelUser && t.sentinelPassword == u.sentinelPassword && t.serverName == u.serverName
}

// TestWrongURLs holds what is said of a URL that cannot be used: what is wrong, and
// never the password, also not where it stands in the wrong place.
func TestWrongURLs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                                          "is no URL: want redis://",
		"s3cret":                                    "is no URL",
		"localhost:6379":                            "is no URL",
		"http://u:s3cret@h":                         `begins with "http://"`,
		"redis://u:s3cret":                          "host number 1",
		"redis://:s3cret":                           "host number 1",
		"redis://u:s3cret@":                         "host number 1",
		"redis://u:s3cret@h:0":                      "host number 1",
		"redis://u:s3cret@a,b:99999":                "host number 2",
		"redis://u:s3cret@h/x":                      "a database that is none",
		"redis://h/u:s3cret":                        "a database that is none",
		"redis://u:s3cret@h/-1":                     "a database that is none",
		"redis://u@h":                               "a user without a password",
		"redis://u:s3%cret@h":                       "write %25",
		"redis://u:pa?s3cret@h":                     "? as %3F",
		"redis://u:s3cret@h?db=1&db=2":              `"db" more than once`,
		"redis://u:s3cret@h?protocol=2":             "a parameter that is none: want one of addr, ca_file",
		"redis://h?u:s3cret":                        "a parameter that is none",
		"redis://u:s3cret@a,b/1":                    "a cluster has only number 0",
		"redis+sentinel://u:s3cret@a,b":             "names Sentinels but no primary",
		"unix://u:s3cret@run/redis.sock":            "want a path from the root",
		"unix:///run/redis.sock?addr=h":             "one or the other",
		"redis://u:s3cret@h?ca_file=/x":             "write rediss://",
		"rediss://u:s3cret@h?ca_file=/no/where":     "read who vouches for Redis",
		"rediss://u:s3cret@h?ca_file=/dev/null":     "no certificate in PEM",
		"rediss://u:s3cret@h?cert_file=/no":         "read our certificate for Redis",
		"redis://" + strings.Repeat("h,", 32) + "h": "more than 32 hosts",
	} {
		err := Check(raw)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "s3") {
			t.Errorf("Check(%q) = %v, want one with %q and without the password", raw, err, want)
		}
	}
}

// FuzzURL looks for a URL that parse takes and then cannot connect with, and for a
// password that is said aloud.
func FuzzURL(f *testing.F) {
	f.Add("redis://", "h:6379/1?addr=b")
	f.Add("redis+sentinel://", "a,b/main/1?sentinel_user=x")
	f.Add("unix://", "/run/redis.sock?db=1")
	f.Add("rediss://", "[::1]?server_name=h")
	f.Fuzz(func(t *testing.T, scheme, rest string) {
		const password = "0Secret9"
		for _, user := range []string{"u:" + password + "@", ":" + password + "@", "u:" + password, password + "@"} {
			if strings.Contains(scheme+rest, password) {
				return
			}
			target, err := parse(scheme + user + rest)
			if err != nil {
				if strings.Contains(err.Error(), password) {
					t.Fatalf("parse(%q): %v", scheme+user+rest, err)
				}
				continue
			}
			if len(target.addresses) == 0 || len(target.addresses) > maxAddresses || target.db < 0 || target.password == password && strings.Contains(target.String(), password) {
				t.Fatalf("parse(%q) = %+v, which is %s", scheme+user+rest, target, target)
			}
		}
	})
}
