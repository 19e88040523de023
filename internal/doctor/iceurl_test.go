package doctor

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestICEURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]iceURL{
		"stun:192.0.2.1:3478":                      {"", false, "udp", "192.0.2.1", 3478},
		"stun:chat.example.org":                    {"", false, "udp", "chat.example.org", 3478},
		"turn:[2001:db8::1]:3478?transport=udp":    {"", true, "udp", "2001:db8::1", 3478},
		"turn:192.0.2.1:80?transport=tcp":          {"", true, "tcp", "192.0.2.1", 80},
		"turn:192.0.2.1":                           {"", true, "udp", "192.0.2.1", 3478},
		"turns:chat.example.org:443?transport=tcp": {"", true, "tls", "chat.example.org", 443},
		"turns:chat.example.org":                   {"", true, "tls", "chat.example.org", 5349},
	} {
		want.text = text
		if got, err := parseICEURL(text); err != nil || got != want {
			t.Errorf("parseICEURL(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "stun:", "http://192.0.2.1", "turn:192.0.2.1:0", "turn:192.0.2.1:99999", "turn:[::1", "turn:[fe80::1%eth0]:1", "turn:a b:1",
		"turns:a:1?transport=udp", "stun:a:1?transport=udp", "turn:a:1?transport=sctp", "turn:[::1]x", "turn:[127.0.0.1]:1",
	} {
		if got, err := parseICEURL(text); err == nil {
			t.Errorf("parseICEURL(%q) = %+v, want an error", text, got)
		}
	}
}

func TestURLsAreBounded(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 3 * maxURLs {
		many = append(many, "stun:192.0.2.1:"+strconv.Itoa(i+1))
	}
	if got := urls([]wire.ICEServer{{URLs: many}}); len(got) != maxURLs {
		t.Errorf("a server that names %d URLs is asked at %d", len(many), len(got))
	}
}

// FuzzParseICEURL: what is read can be dialled, and is read again as the same.
func FuzzParseICEURL(f *testing.F) {
	for _, seed := range []string{"stun:192.0.2.1:3478", "turn:[2001:db8::1]:3478?transport=udp", "turns:a:443?transport=tcp", "turn:[]:1", "turn:a?", "stun::1", "turn:]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseICEURL(text)
		if err != nil {
			return
		}
		if u.host == "" || u.port == 0 || strings.ContainsAny(u.host, "/@ []") {
			t.Fatalf("parseICEURL(%q) = %+v", text, u)
		}
		scheme := map[bool]string{false: "stun:", true: "turn:"}[u.turn]
		query := map[string]string{"udp": "", "tcp": "?transport=tcp", "tls": ""}[u.transport]
		if u.transport == "tls" {
			scheme = "turns:"
		}
		again, err := parseICEURL(scheme + net.JoinHostPort(u.host, strconv.Itoa(int(u.port))) + query)
		again.text = text
		if err != nil || again != u {
			t.Fatalf("parseICEURL(%q) = %+v, and of the same: %+v, %v", text, u, again, err)
		}
	})
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://chat.example.org":       "https://chat.example.org chat.example.org 443",
		"chat.example.org":               "https://chat.example.org chat.example.org 443",
		"wss://chat.example.org:8443/a/": "https://chat.example.org:8443/a chat.example.org 8443",
		"http://[::1]:8080":              "http://[::1]:8080 ::1 8080",
		"https://[::1]:443/":             "https://[::1] ::1 443",
		"http://127.0.0.1":               "http://127.0.0.1 127.0.0.1 80",
	} {
		got, err := parseTarget(raw)
		if err != nil || got.base+" "+got.host+" "+strconv.Itoa(int(got.port)) != want {
			t.Errorf("parseTarget(%q) = %+v, %v; want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "ftp://a", "https://a:0", "https://a:99999", "https://u:p@a", "https://a?x", "https://", "http://::", "http://:::"} {
		if got, err := parseTarget(raw); err == nil {
			t.Errorf("parseTarget(%q) = %+v, want an error", raw, got)
		}
	}
}

// TestOrigin is what a browser says of the page (RFC 6454 §6.1).
func TestOrigin(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://chat.example.org/":        "https://chat.example.org",
		"wss://chat.example.org:443/chat/": "https://chat.example.org",
		"https://chat.example.org:8443":    "https://chat.example.org:8443",
		"http://127.0.0.1:8080":            "http://127.0.0.1:8080",
		"http://[2001:db8::1]:80/a":        "http://[2001:db8::1]",
	} {
		to, err := parseTarget(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := to.origin(); got != want {
			t.Errorf("origin of %s = %s, want %s", url, got, want)
		}
	}
}
