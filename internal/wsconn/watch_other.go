//go:build !unix

package wsconn

// canPeek tells whether this system can look at a socket without reading it.
const canPeek = false

// receiveFrom is never called: there is no descriptor.
func (w *watchedConn) receiveFrom(uintptr) bool { return true }

func (w *watchedConn) pending() bool { return false }

// sendTo is never called either.
func (d *delivery) sendTo(uintptr) bool { return true }
