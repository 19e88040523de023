package gate

import (
	"errors"
	"sync"
	"time"
)

const (
	// maxOutboxBytes bounds what waits for a client over a stream that reads more
	// slowly than he is sent to: a quarter of a second at 2 Mbit/s. What is more is
	// lost, as the network might lose it.
	maxOutboxBytes = 64 << 10
	// keptOutboxBytes is up to how much memory a stream keeps for what comes next.
	keptOutboxBytes = 16 << 10
)

// An outbox collects frames for a stream while a goroutine of its own writes those
// before, so that nobody waits for a slow client, and many frames are one write.
type outbox struct {
	run func() // what the goroutine does; made once

	mu      sync.Mutex // guards the fields below; never held while writing
	waiting []byte     // whole frames, padded
	spare   []byte     // memory
	writing bool       // the goroutine lives
	ended   bool       // nobody writes any more
	writers sync.WaitGroup
}

// Queue takes a whole frame, padded, that is written after Kick. It is false if too
// much waits already.
func (s *Stream) Queue(frame []byte) bool {
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting)+len(frame) > maxOutboxBytes {
		return false
	}
	o.waiting = append(o.waiting, frame...)
	return true
}

// Kick writes what Queue has taken, without waiting. Linger waits.
func (s *Stream) Kick() {
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing || o.ended || len(o.waiting) == 0 {
		return
	}
	o.writing = true
	if o.run == nil {
		o.run = s.drain
	}
	o.writers.Add(1)
	go o.run()
}

// Linger waits until nobody writes what Queue has taken, and nobody will. After
// Close that is soon.
func (s *Stream) Linger() {
	o := &s.outbox
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.writers.Wait()
}

// drain writes until nothing waits, or the stream fails.
func (s *Stream) drain() {
	o := &s.outbox
	defer o.writers.Done()
	var written []byte
	for {
		o.mu.Lock()
		if written != nil && cap(written) <= keptOutboxBytes {
			o.spare = written[:0]
		}
		if len(o.waiting) == 0 {
			o.writing = false
			o.mu.Unlock()
			return
		}
		written, o.waiting, o.spare = o.waiting, o.spare, nil
		o.mu.Unlock()
		if s.writeFrames(written) != nil {
			written = nil // what comes now fails as well, until the reader has noticed
		}
	}
}

// writeFrames writes whole frames, over TCP all in one. Over TLS each is a record of
// its own: coturn's clients, for one, take what a read gives for one message. Over
// DTLS each is a datagram.
func (s *Stream) writeFrames(frames []byte) error {
	if !s.apart && !s.whole {
		_, err := s.write(frames)
		return err
	}
	for len(frames) > 0 {
		size, err := frameSize(frames)
		if err != nil || size == 0 || size > len(frames) {
			return ErrFrame // not possible: Queue takes whole ones
		}
		frame := frames[:size]
		if s.whole {
			frame = unpadded(frame)
		}
		if _, err := s.write(frame); err != nil {
			return err
		}
		frames = frames[size:]
	}
	return nil
}

// write is one write to the client. If it fails it may have left half a frame
// behind, so it closes the connection.
func (s *Stream) write(p []byte) (int, error) {
	if err := s.conn.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return 0, errors.Join(err, s.Close())
	}
	n, err := s.conn.Write(p)
	if err != nil {
		return n, errors.Join(err, s.Close())
	}
	return n, nil
}
