//go:build !unix

package wsconn

import "errors"

// canPeek tells whether this system can look at a socket without reading it.
const canPeek = false

func (w *watchedConn) readRaw([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (w *watchedConn) pending() bool { return false }
