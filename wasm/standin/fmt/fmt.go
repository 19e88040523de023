// Package fmt stands in for the standard library's in pion/webrtc's js files,
// where all that is left of it is one error that nobody sees: a panic in the
// browser's RTCPeerConnection that is no error. The real fmt and what it needs
// of reflect would cost every visitor 67 kB for it.
package fmt

import "errors"

// Errorf is an error that says its format as it stands and wraps those of its
// arguments that are errors.
func Errorf(format string, args ...any) error {
	e := &wrapped{text: format}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			e.errs = append(e.errs, err)
		}
	}
	return e
}

type wrapped struct {
	text string
	errs []error
}

func (e *wrapped) Error() string { return e.text }

func (e *wrapped) Unwrap() []error { return e.errs }

// errCut is what is left of a text.
var errCut = errors.New("fmt is not part of the browser client")

// Sprintf makes no text. wasm/build fails when it is linked.
//
//go:noinline
func Sprintf(string, ...any) string { return errCut.Error() }
