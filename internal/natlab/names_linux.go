package natlab

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// etcDir is where iproute2 looks for files that a namespace has instead of
// those in /etc: ip netns exec mounts them over those.
const etcDir = "/etc/netns"

// SetName makes all hosts of the lab find a name at addresses;
// without addresses the name is forgotten. There is no
// DNS in the lab: programs that Command starts know these names and localhost,
// and those that run already learn them as they learn of changes in /etc/hosts.
// They ask 127.0.0.1:53 of their host for others: who listens there knows all
// that they would ask the world.
func (l *Lab) SetName(name string, addrs ...netip.Addr) error {
	if len(addrs) == 0 {
		delete(l.names, name)
	} else {
		l.names[name] = slices.Clone(addrs)
	}
	var errs []error
	for _, host := range l.hosts() {
		errs = append(errs, host.learnNames(l.names))
	}
	return errors.Join(errs...)
}

// learnNames gives the programs of a namespace their own files to look names
// up in. Each is written in place, because programs have the file itself.
func (h *Host) learnNames(names map[string][]netip.Addr) error {
	dir := filepath.Join(etcDir, h.namespace)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var errs []error
	for file, text := range map[string]string{"hosts": hostsFile(names), "nsswitch.conf": "hosts: files dns\n", "resolv.conf": "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n"} {
		if _, err := os.Stat("/etc/" + file); err != nil {
			continue // nothing to mount it on; a resolver that lacks it asks localhost
		}
		errs = append(errs, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	return errors.Join(errs...)
}

// hostsFile is what hosts(5) describes. Each name is there twice: Chromium asks
// for STUN servers with a dot at the end.
func hostsFile(names map[string][]netip.Addr) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	if own, err := os.Hostname(); err == nil {
		_, _ = fmt.Fprintf(&b, "127.0.1.1 %s\n", own) // programs ask who they are
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, addr := range names[name] {
			_, _ = fmt.Fprintf(&b, "%s %s %s.\n", addr, name, name)
		}
	}
	return b.String()
}

// forgetNames removes the files of namespaces.
func forgetNames(namespaces []string) error {
	var errs []error
	for _, namespace := range namespaces {
		errs = append(errs, os.RemoveAll(filepath.Join(etcDir, namespace)))
	}
	return errors.Join(errs...)
}
