package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestNamesOfNodes(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("n", maxNodeName)
	for text, ok := range map[string]bool{
		"paris-1": true, "n_2": true, "N": true, longest: true,
		"": false, longest + "n": false, "n.1": false, "n 1": false, "nœud": false, "a:b": false, "{a}": false,
	} {
		var name nodeName
		if err := name.UnmarshalText([]byte(text)); (err == nil) != ok || ok && string(name) != text {
			t.Errorf("node name %q = %q, %v; want it taken: %v", text, name, err, ok)
		}
	}
	var valid nodeName
	if id := new(config).nodeID(); valid.UnmarshalText([]byte(id)) != nil {
		t.Errorf("the host's name makes the id %q, which is no name of a node", id)
	}
}

func TestURLsOfNodes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://n1.example.org":       "https://n1.example.org",
		"https://n1.example.org:8443/": "https://n1.example.org:8443",
		"http://[2001:db8::7]:8080":    "http://[2001:db8::7]:8080",
		"https://example.org/n1/":      "https://example.org/n1",
		"https://n1.example.org?a=b":   "",
		"https://n1.example.org/?":     "",
		"https://n1.example.org/#":     "",
		"https://u:p@n1.example.org":   "",
		"https://:443":                 "",
		"https:n1.example.org":         "",
		"ftp://n1.example.org":         "",
	} {
		var got nodeURL
		if err := got.UnmarshalText([]byte(text)); string(got) != want || (err == nil) != (want != "") {
			t.Errorf("node URL %q = %q, %v; want %q", text, got, err, want)
		}
	}
	const url nodeURL = "https://example.org:8443/n1"
	for origin, want := range map[string]bool{
		"https://example.org:8443": true, "https://EXAMPLE.org:8443": true,
		"": false, "null": false, "https:": false, "https:/": false, "https://": false, "https://example.org": false, "https://example.org:8443/": false,
		"https://example.org:8443/n1": false, "https://example.org:8443/n1/n2": false, "http://example.org:8443": false,
	} {
		if got := url.isFrom(origin); got != want {
			t.Errorf("%q is from %q: %v, want %v", url, origin, got, want)
		}
	}
	if nodeURL("").isFrom("") || nodeURL("").isFrom("null") || !nodeURL("https://n1.example").isFrom("https://n1.example") {
		t.Error("a page is from where no URL leads, or not from its own")
	}
}

// TestRedisURLIsASecret holds that a fault of it is told with all others, and that
// nothing prints it.
func TestRedisURLIsASecret(t *testing.T) {
	t.Parallel()
	c, list, err := loadConfig(inFleet("REDIS_URL=rediss://node:hunter2@10.0.0.5:6379/0"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.RedisURL.reveal(); got != "rediss://node:hunter2@10.0.0.5:6379/0" {
		t.Errorf("the URL was read as %q", got)
	}
	var printed strings.Builder
	fmt.Fprintf(&printed, "%v %+v %#v %v", *c, *c, *c, c.RedisURL.LogValue())
	for _, s := range list {
		printed.WriteString(s.text())
	}
	if strings.Contains(printed.String(), "hunter2") {
		t.Error("the password of Redis is printed")
	}
}

// inFleet is an environment with what a node in a fleet needs, and more.
func inFleet(more ...string) []string {
	environ := []string{prefix + "ROOM_SECRET=the room secret of all", prefix + "TURN_SECRETS=the turn secret of all"}
	for _, entry := range more {
		environ = append(environ, prefix+entry)
	}
	return environ
}

// TestRolesThatGoTogether are those with which a start is not refused: what has no
// relay of its own is in a fleet, and what one process signs another can check.
func TestRolesThatGoTogether(t *testing.T) {
	t.Parallel()
	for roles, environ := range map[string][]string{
		"web,match,signal,turn": {"REDIS_URL=redis://r"},
		"web,match,signal":      {"REDIS_URL=redis://r"},
		"turn":                  {"REDIS_URL=redis://r"},
		"web":                   {"REDIS_URL=redis://r"},
		"signal":                {"REDIS_URL=redis://r"},
		"web,match,turn":        nil,
		"signal,turn":           nil,
		"turn,":                 {"TURN_PEERS=public"},
	} {
		environ = append(environ, "ROLES="+strings.TrimSuffix(roles, ","))
		if _, _, err := loadConfig(inFleet(environ...)); err != nil {
			t.Errorf("%q: %v", environ, err)
		}
	}
}
