package gate

import (
	"errors"
	"io"
)

// Reader cuts a stream into frames. It owns one buffer of MaxFrameBytes and no
// other memory, however the stream is chopped.
type Reader struct {
	src        io.Reader
	buf        [MaxFrameBytes]byte
	start, end int // buf[start:end] was read and not yet handed out
}

// NewReader returns a Reader of the frames of src.
func NewReader(src io.Reader) *Reader { return &Reader{src: src} }

// Next returns the next whole frame, padding included; it is valid until the
// next call. At the end of the stream the error is io.EOF between two frames
// and io.ErrUnexpectedEOF within one; ErrFrame means that the stream is not
// TURN.
func (r *Reader) Next() ([]byte, error) {
	for {
		size, err := frameSize(r.buf[r.start:r.end])
		if err != nil {
			return nil, err
		}
		if size > 0 && r.Buffered() >= size {
			frame := r.buf[r.start : r.start+size]
			r.start += size
			return frame, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// Buffered is the count of bytes that were read and not yet handed out; between
// two calls of Next it is more than 0 when the next frame has begun.
func (r *Reader) Buffered() int { return r.end - r.start }

// Ready reports whether Next returns a frame without reading.
func (r *Reader) Ready() bool {
	size, err := frameSize(r.buf[r.start:r.end])
	return err == nil && size > 0 && r.Buffered() >= size
}

// fill reads once. The started frame is moved to the front before, so there is
// always room: no frame is longer than the buffer.
func (r *Reader) fill() error {
	copy(r.buf[:], r.buf[r.start:r.end])
	r.start, r.end = 0, r.Buffered()
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	switch {
	case n > 0:
		return nil // an error that came with bytes will come again
	case err == nil:
		return io.ErrNoProgress
	case errors.Is(err, io.EOF) && r.end > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}
