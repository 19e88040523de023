//go:build unix

package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links are followed on the way to a file, as
// the kernel does.
const maxLinks = 40

// denied says who may not read a file, whose it is, and the command that
// mends it. What is in the way may be a folder, of the file or of what a
// symbolic link points to: /etc/letsencrypt/live is one.
func denied(path string, err error) error {
	blocked, folder := culprit(path)
	right, can := "r", "read"
	if folder {
		right, can = "x", "search"
	}
	info, statErr := os.Stat(blocked)
	if statErr != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return err
	}
	uid := strconv.Itoa(os.Geteuid())
	return fmt.Errorf("%w: user %s may not %s %s (owner %s, group %s, mode %04o): run\n  %s",
		err, account(uid), can, blocked, account(strconv.Itoa(int(stat.Uid))), group(strconv.Itoa(int(stat.Gid))),
		info.Mode().Perm(), mend(blocked, right, uid, stat.Gid))
}

// mend is a command that lets us in and nobody out. A file of the group root
// gets our group: that needs no tool, and certbot keeps it when it renews. Any
// other group has it for a reason.
func mend(path, right, uid string, gid uint32) string {
	quoted := "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	if gid == 0 && os.Getegid() != 0 {
		return fmt.Sprintf("sudo chgrp %d %s && sudo chmod g+%s %s", os.Getegid(), quoted, right, quoted)
	}
	return fmt.Sprintf("sudo setfacl -m u:%s:%s %s", uid, right, quoted)
}

// culprit is the first thing on the way to path that keeps us out, and whether
// it is a folder.
func culprit(path string) (blocked string, folder bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return path, false
	}
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(next)
		if errors.Is(err, fs.ErrPermission) {
			return at, true
		}
		if err != nil {
			return path, false
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return path, false
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, false
}

// account is a user's name and number.
func account(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username + " (" + uid + ")"
	}
	return uid
}

// group is a group's name and number.
func group(gid string) string {
	if g, err := user.LookupGroupId(gid); err == nil {
		return g.Name + " (" + gid + ")"
	}
	return gid
}
