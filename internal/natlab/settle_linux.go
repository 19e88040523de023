package natlab

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// settleTimeout bounds how long the kernel may take to do what it was told. It
// looks at most once a second at links that went down and up, and addresses of
// IPv6 wait for a lock that all namespaces share.
const settleTimeout = 30 * time.Second

// settle returns when hosts can use what ip has given them. It reports that as done
// when it is begun: until a link has noticed that its other end is up, it sends
// nothing, and until an address of IPv6 is no longer tentative, nobody can send
// from it.
func settle(ctx context.Context, hosts ...*Host) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for _, host := range hosts {
		for {
			waits, err := inside(host, unsettled)
			if err != nil {
				return fmt.Errorf("look at %s: %w", host.namespace, err)
			}
			if waits == "" {
				break
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				return fmt.Errorf("%s: %s: %w", host.namespace, waits, ctx.Err())
			}
		}
	}
	return nil
}

// unsettled says what the namespace that the thread is in still waits for, or
// nothing.
func unsettled() (string, error) {
	const tentative = 0x40                                      // IFA_F_TENTATIVE of linux/if_addr.h
	addrs, err := os.ReadFile("/proc/thread-self/net/if_inet6") // address, link, prefix, scope, flags, name of the link
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(addrs)) {
		field := strings.Fields(line)
		if len(field) < 6 {
			return "", fmt.Errorf("not an address of if_inet6: %q", line)
		}
		flags, err := strconv.ParseUint(field[4], 16, 32)
		if err != nil {
			return "", fmt.Errorf("flags of an address in if_inet6: %w", err)
		}
		if flags&tentative != 0 {
			return fmt.Sprintf("address %s of %s is tentative", field[0], field[5]), nil
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, link := range links {
		if link.Flags&net.FlagUp != 0 && link.Flags&net.FlagRunning == 0 {
			return link.Name + " has no carrier", nil
		}
	}
	return "", nil
}
