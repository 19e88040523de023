package succession

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketBuffer is what the kernel may hold of a line for each direction, in bytes, as
// far as it lets us have that much.
const socketBuffer = 1 << 20

// link is a socket to another process.
type link struct {
	conn *net.UnixConn
	out  []byte // the packet that is sent; whoever sends owns it
	in   []byte // the packet that is received, and the descriptors with it
	oob  []byte
}

// socketpair makes two sockets that are connected with one another.
func socketpair() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, socketBuffer) // less will do
	}
	return os.NewFile(uintptr(fds[0]), "line"), os.NewFile(uintptr(fds[1]), "line"), nil
}

// newLink takes over the end of a socketpair.
func newLink(f *os.File) (*link, error) {
	conn, err := net.FileConn(f)
	_ = f.Close() // conn is a duplicate
	if err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close() // it is something else
		return nil, errors.New("the descriptor of the older process is no unix socket")
	}
	return &link{conn: unix}, nil
}

// send sends one packet, and waits until the kernel has it.
func (l *link) send(p *packet) error {
	l.out = p.appendTo(l.out[:0])
	var rights []byte
	if len(p.files) > 0 {
		fds := make([]int, len(p.files))
		for i, f := range p.files {
			raw, err := f.SyscallConn()
			if err != nil {
				return err
			}
			if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil { // the file stays open until it is sent
				return err
			}
		}
		rights = syscall.UnixRights(fds...)
	}
	_, _, err := l.conn.WriteMsgUnix(l.out, rights, nil)
	return err
}

// receive waits for a packet. Its body is its own. The other one's end is io.EOF.
func (l *link) receive() (packet, error) {
	if l.in == nil {
		l.in, l.oob = make([]byte, maxPacket+1), make([]byte, syscall.CmsgSpace(4*packetFiles))
	}
	n, oobn, flags, _, err := l.conn.ReadMsgUnix(l.in, l.oob)
	if err != nil {
		return packet{}, err
	}
	files, err := receivedFiles(l.oob[:oobn])
	switch {
	case err == nil && n == 0:
		err = io.EOF
	case err == nil && flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0:
		err = fmt.Errorf("%w, or this process has no descriptors left", errPacket)
	}
	var p packet
	if err == nil {
		p, err = parsePacket(append([]byte(nil), l.in[:n]...))
	}
	if err != nil {
		closeFiles(files)
		return packet{}, err
	}
	p.files = files
	return p, nil
}

// receivedFiles are what came with a packet.
func receivedFiles(oob []byte) (files []*os.File, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue // it is something else
		}
		for _, fd := range fds { // net reads with MSG_CMSG_CLOEXEC
			files = append(files, os.NewFile(uintptr(fd), "inherited "+strconv.Itoa(fd)))
		}
	}
	return files, nil
}

// inheritedFD is the descriptor of a new process's socket to its old one: the first
// one after those of input and output.
const inheritedFD = 3

// start starts the program of cfg with a socket, which is closed here.
func start(cfg Config, theirs *os.File) (*os.Process, error) {
	defer func() { _ = theirs.Close() }() // the other process has it
	cmd := &exec.Cmd{
		Path: cfg.Program[0], Args: cfg.Program, Env: append(slices.Clip(cfg.Environ), Variable+"="+strconv.Itoa(inheritedFD)),
		Stdin: cfg.Stdin, Stdout: cfg.Stdout, Stderr: cfg.Stderr, ExtraFiles: []*os.File{theirs},
	}
	if cfg.Sibling {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_PARENT}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd.Process, nil
}

// reap lets a process go for good whose parent this one has become, as the first one
// of a container.
func reap(pid int) {
	go func() { _, _ = syscall.Wait4(pid, nil, 0, nil) }() // it ends with that process
}

// awaitExit waits until a process has exited, which is after all that it had open is
// closed, or until late is closed. Of a process that is there no longer it is at once.
func awaitExit(pid int, late <-chan struct{}) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return
	}
	process := os.NewFile(uintptr(fd), "process "+strconv.Itoa(pid))
	defer func() { _ = process.Close() }() // nothing was written
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-late:
			_ = process.SetReadDeadline(time.Unix(1, 0)) // long ago
		case <-over:
		}
	}()
	raw, err := process.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool { // an error: it is late
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// inherit is the file of a descriptor that this process was started with.
func inherit(fd int) *os.File {
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "line")
}
