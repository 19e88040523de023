package address

import (
	"strings"
	"testing"
)

func TestSourcesAreReadAndWrittenAlike(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "interfaces", "dns", "metadata", "metadata:aws,metadata:gcp,metadata:azure,metadata:oci,metadata:hetzner,metadata:digitalocean",
		"interfaces,dns,metadata,stun:stun.example.org:3478", "stun:[2001:db8::1]:3478,stun:192.0.2.1:19302",
	} {
		var s Sources
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != text {
			t.Errorf("UnmarshalText(%q) = %v, %v", text, s, err)
		}
	}
	var s Sources
	if err := s.UnmarshalText([]byte(" dns , interfaces ,stun:a:1,stun:a:1")); err != nil || s.String() != "interfaces,dns,stun:a:1" {
		t.Errorf("spaces and repetitions: %q, %v", s, err)
	}
}

func TestWrongSourcesAreRefusedWithWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"interface":         "want a list of interfaces, dns, metadata",
		"dns,":              "want a list of",
		"metadata:ibm":      "want metadata:aws, gcp, azure, oci, hetzner or digitalocean",
		"metadata:":         "want metadata:aws",
		"stun":              "want a list of",
		"stun:example.org":  "want a host and a port, such as stun:stun.example.org:3478",
		"stun::3478":        "want a host and a port",
		"stun:a:0":          "want a port number",
		"stun:a:70000":      "want a port number",
		"stun:a:b":          "want a port number",
		"stun:2001:db8::1:": "want a host and a port",
		"stun:a:1,stun:b:1,stun:c:1,stun:d:1,stun:e:1": "want at most 4",
	} {
		s := Sources{DNS: true}
		err := s.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("UnmarshalText(%q) = %v, want an error with %q", text, err, want)
		}
		if s.String() != "dns" {
			t.Errorf("UnmarshalText(%q) changed the value to %q", text, s)
		}
	}
}

func FuzzSources(f *testing.F) {
	for _, text := range []string{"", "interfaces,dns", "metadata:aws,stun:a:1", "stun:[::1]:3478", " dns,,", "stun:[fe80::1%eth0]:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Sources
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again.String() != s.String() {
			t.Fatalf("UnmarshalText(%q) = %q, %v, want it unchanged", s, again, err)
		}
		if len(s.STUN) > maxSTUNServers {
			t.Fatalf("UnmarshalText(%q) has %d STUN servers", text, len(s.STUN))
		}
	})
}
