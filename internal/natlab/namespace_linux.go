package natlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// namespaceDir is where iproute2 keeps the names of namespaces: each is a file
// on which the namespace is mounted.
const namespaceDir = "/run/netns"

func namespacePath(namespace string) string { return filepath.Join(namespaceDir, namespace) }

// listNamespaces lists all named namespaces of the machine.
func listNamespaces() ([]string, error) {
	entries, err := os.ReadDir(namespaceDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list, nil
}

// Sweep removes what processes left that were killed before they could, as New
// does first of all, with what still runs in it, and tells how many namespaces that
// were. Labs whose process lives are left alone.
func Sweep(ctx context.Context) (removed int, err error) {
	all, err := listNamespaces()
	if err != nil {
		return 0, err
	}
	dead := orphans(all, func(pid int) bool {
		return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
	})
	return len(dead), remove(ctx, dead)
}

// sweep is Sweep for who does not count.
func sweep(ctx context.Context) error {
	_, err := Sweep(ctx)
	return err
}

// remove ends what runs in the namespaces and deletes those that exist. It does
// not mind another process removing them at the same time.
func remove(ctx context.Context, namespaces []string) error {
	all, err := listNamespaces()
	if err != nil {
		return err
	}
	namespaces = slices.DeleteFunc(slices.Clone(namespaces), func(namespace string) bool { return !slices.Contains(all, namespace) })
	if len(namespaces) == 0 {
		return nil
	}
	err = errors.Join(
		killAll(ctx, namespaces),
		forgetNames(namespaces), // before the namespaces: who finds these cleans up
		feed(exec.CommandContext(ctx, "ip", "-force", "-batch", "-"), "netns del "+strings.Join(namespaces, "\nnetns del ")))
	if all, listErr := listNamespaces(); listErr == nil && !slices.ContainsFunc(namespaces, func(namespace string) bool { return slices.Contains(all, namespace) }) {
		return nil
	}
	return err
}

// killAll ends every process in the namespaces, and waits for it.
func killAll(ctx context.Context, namespaces []string) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	ids := map[namespaceID]bool{}
	for _, namespace := range namespaces {
		if id, err := identify(namespacePath(namespace)); err == nil {
			ids[id] = true
		}
	}
	var errs []error
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		doomed := func() bool {
			if entersAny(pid, namespaces) {
				return true
			}
			id, err := identify(fmt.Sprintf("/proc/%d/ns/net", pid))
			return err == nil && ids[id]
		}
		if doomed() {
			errs = append(errs, kill(ctx, pid, doomed))
		}
	}
	return errors.Join(errs...)
}

// namespaceID is what the kernel knows a namespace by.
type namespaceID struct{ dev, ino uint64 }

func identify(path string) (namespaceID, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return namespaceID{st.Dev, st.Ino}, err
}

// entersAny tells whether a process is the ip that Host.Command starts: about
// to be inside, and then to become the program that was asked for.
func entersAny(pid int, namespaces []string) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	arg := strings.Split(string(cmdline), "\x00")
	return len(arg) > 4 && arg[0] == "ip" && arg[2] == "exec" && slices.Contains(namespaces, arg[3])
}

// kill ends a process and waits until it has ended. Asking doomed again once
// the pidfd is open makes sure that no other process has got the pid.
func kill(ctx context.Context, pid int, doomed func() bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !doomed() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	for {
		ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		const again = 100 // milliseconds, to look at ctx
		switch n, err := unix.Poll(ended, again); {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case ctx.Err() != nil:
			return fmt.Errorf("wait for process %d: %w", pid, ctx.Err())
		}
	}
}
