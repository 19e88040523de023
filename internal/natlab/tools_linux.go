package natlab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// ip runs a script of ip commands, one a line, and stops at the first fault.
func ip(ctx context.Context, script string) error {
	return feed(exec.CommandContext(ctx, "ip", "-batch", "-"), script)
}

// ip runs a script of ip commands inside the namespace.
func (h *Host) ip(ctx context.Context, script string) error {
	return h.Do(func() error { return ip(ctx, script) })
}

// nft loads rules inside the namespace, all of them or none.
func (h *Host) nft(ctx context.Context, rules string) error {
	return h.Do(func() error { return feed(exec.CommandContext(ctx, "nft", "-f", "-"), rules) })
}

// feed runs a command with a script as its input.
func feed(cmd *exec.Cmd, script string) error {
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// forwardPackets makes a router of the namespace that the thread is in.
func forwardPackets() error {
	return errors.Join(
		os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600),
		os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0o600))
}

// skipDAD makes IPv6 addresses of the namespace that the thread is in valid at
// once, not after a second of looking for a duplicate (RFC 4862 §5.4).
func skipDAD() error {
	return os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0o600)
}

// forgetFlows empties the connection tracking table of the namespace that the
// thread is in, as conntrack -F does: one netlink message that asks to delete
// without saying what.
func forgetFlows() error {
	const (
		deleteMessage = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE
		headerBytes   = 16                                // struct nlmsghdr; nfgenmsg has 4 more
	)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open conntrack: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	order := binary.NativeEndian
	msg := order.AppendUint32(nil, headerBytes+4)
	msg = order.AppendUint16(msg, deleteMessage)
	msg = order.AppendUint16(msg, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	msg = append(msg, make([]byte, 12)...) // sequence, port; any family, version 0
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("flush conntrack: %w", err)
	}
	answer := make([]byte, 256)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil || n < headerBytes+4 {
		return fmt.Errorf("flush conntrack: %d bytes of answer, %w", n, err)
	}
	if errno := -int32(order.Uint32(answer[headerBytes:])); errno != 0 {
		return fmt.Errorf("flush conntrack: %w", unix.Errno(errno))
	}
	return nil
}
