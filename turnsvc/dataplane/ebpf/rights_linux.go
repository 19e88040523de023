package ebpf

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// howToGive says what to do about rights that are missing.
const howToGive = "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN in a systemd unit, or setcap cap_bpf,cap_net_admin+ep on the program; in a container see docs/dataplane.md"

// rights returns an error that names what the process must be given to load the
// program and attach it. Something else may still forbid it, such as seccomp.
func rights() error {
	var held [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &held[0]); err != nil {
		return fmt.Errorf("look which capabilities there are: %w", err)
	}
	has := func(capability int) bool { return held[capability/32].Effective>>(capability%32)&1 != 0 }
	var missing []string
	if !has(unix.CAP_SYS_ADMIN) { // which is both, for the kernel
		if !has(unix.CAP_BPF) {
			missing = append(missing, "CAP_BPF")
		}
		if !has(unix.CAP_NET_ADMIN) {
			missing = append(missing, "CAP_NET_ADMIN")
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("it lacks %s: %s", strings.Join(missing, " and "), howToGive)
}
