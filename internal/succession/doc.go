// Package succession lets a process of a server start the next one, and hand over
// what it has without closing anything: listening sockets, secrets, and whatever
// parts of the server bequeath. The old process then keeps the connections that it
// has, as a retired one, and ends when it keeps nobody any more. A Line is this
// process among all processes of the server that live.
//
//	old                                  new
//	 │ starts its own program ──────────▶ │ with a socket to the old one
//	 │ estate: sockets, secrets ────────▶ │ reads settings, opens everything
//	 │                                    │ and accepts nothing
//	 │ ◀─────────────────────────── ready │
//	 │ pauses                             │
//	 │ wills: who is here, what is mine ─▶│
//	 │ yours ───────────────────────────▶ │ serves
//	 │ ◀───────────────────────── serving │
//	 │ is retired                         │ is the current one
//
// Until the new process says that it serves, the old one can go on as if nothing had
// been: a new one that fails, hangs or has wrong settings costs nobody anything.
//
// The newest process has a connection to every older one that lives: one that retires
// gives each of them and its heir the ends of a socket. What processes tell one
// another over it arrives in order, or the connection is cut and both know.
//
// It promises that of all processes one at a time accepts, and that a process that
// nobody upgrades has no goroutine, descriptor or timer of this package. It leaves to
// the parts what they bequeath and say to one another, and to the caller what a
// process needs to know that is not said here: it reads no settings.
//
// Descriptors are passed between processes with SCM_RIGHTS, unix(7), and messages
// keep their bounds (SOCK_SEQPACKET): it works on Linux. Elsewhere Upgrade fails.
package succession
