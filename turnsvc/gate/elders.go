package gate

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

// This is the side of the heir: the process that reads.

// elders are the older processes that keep clients of a socket, which another process
// than theirs reads. On nil the methods do nothing.
type elders struct {
	sock    *socket
	reading sync.WaitGroup // a goroutine for each elder

	mu     sync.Mutex // guards the fields below; never held while waiting
	keeper map[ends]*elder
	list   []*elder
	left   bool // nobody listens to them
	buf    [maxPassageBytes]byte
	out    *mmsg.Sender // of what is in buf
}

// tally counts what is handed on: Handed.
type tally struct{ handed, lost atomic.Uint64 }

// elder is one of them.
type elder struct {
	conn *net.UnixConn
	sock *mmsg.Socket // conn
	told *mmsg.Receiver
	gone bool // it has ended
}

// noticesAtOnce is how many notices one system call brings.
const noticesAtOnce = 16

// Adopt hands on, from now on, what the clients of an older process send. It comes
// before the socket is read.
func (s *socket) Adopt(l Legacy) error {
	list, ok := readList(l.Clients)
	conn, err := unixConn(l.Passage)
	if err != nil {
		return err
	}
	sock, err := mmsg.Pipe(conn)
	if err != nil || !ok {
		return errors.Join(errPassage, err, conn.Close())
	}
	k := s.elders.Load()
	if k == nil {
		k = &elders{sock: s, keeper: map[ends]*elder{}, out: mmsg.NewSender(1)}
		s.elders.Store(k)
	}
	e := &elder{conn: conn, sock: sock, told: mmsg.NewReceiver(noticesAtOnce, passageHead+1, 0, 0)}
	k.mu.Lock()
	for _, client := range list {
		k.keeper[client] = e
	}
	k.list = append(k.list, e)
	k.mu.Unlock()
	k.reading.Go(func() { k.listen(e) })
	return nil
}

// listen takes what an elder tells until there is none, or another process listens.
func (k *elders) listen(e *elder) {
	raw, err := e.conn.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.hear(e)
			return e.gone
		})
	}
	if !isTimeout(err) {
		k.forget(e)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// hear takes what an elder has told by now. k.mu is held.
func (k *elders) hear(e *elder) {
	for !e.gone {
		e.told.Reset()
		first, end, err := e.told.Receive(e.sock, noticesAtOnce)
		if err != nil {
			e.gone = true
		}
		if first == end {
			break
		}
		for i := first; i < end && !e.gone; i++ {
			buf, begin, end := e.told.Datagram(i)
			kind, client, _, ok := readFrame(buf[begin:end])
			switch {
			case begin == end: // which is how SOCK_SEQPACKET tells of the end
				e.gone = true
			case ok && kind == frameFreed && k.keeper[client] == e:
				delete(k.keeper, client)
			}
		}
	}
}

// forget is when an elder has ended: whatever its clients send now is for this process.
func (k *elders) forget(gone *elder) {
	k.mu.Lock()
	gone.gone = true
	for client, e := range k.keeper {
		if e == gone {
			delete(k.keeper, client)
		}
	}
	k.list = slices.DeleteFunc(k.list, func(e *elder) bool { return e == gone })
	none := len(k.list) == 0
	k.mu.Unlock()
	k.sock.tally.lost.Add(gone.sock.Lost())
	_ = gone.conn.Close() // there is nobody at the other end
	if none {
		k.sock.elders.CompareAndSwap(k, nil) // nothing is asked any more
	}
}

// of is who keeps a client, or nil.
func (k *elders) of(client ends) *elder {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keeper[client]
}

// handOn hands a datagram on to who keeps its client. It is false if that is nobody.
func (k *elders) handOn(client, e ends, datagram []byte) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	keeper := k.keeper[client]
	if keeper == nil {
		return false
	}
	// Who has learned that he holds nothing there any more comes after the notice of it.
	if k.hear(keeper); keeper.gone || k.keeper[client] == nil {
		return false
	}
	var nowhere mmsg.Name // a passage leads to one place
	putHead(k.buf[:], frameDatagram, e)
	n := copy(k.buf[passageHead:], datagram)
	k.sock.tally.handed.Add(1)
	k.out.Add(keeper.sock, &nowhere, nil, k.buf[:passageHead+n])
	k.out.Flush() // the Socket counts what is lost
	return true
}

// HandOn hands on a message which a client has sent whom an older process keeps: from
// is what ReadFrom has returned. It is false if no other process keeps him.
func (d *Datagrams) HandOn(message []byte, from net.Addr) bool {
	k := d.elders.Load()
	if k == nil {
		return false
	}
	client := AddrPort(from)
	return k.handOn(ends{client: client}, d.endsOf(client, from), message)
}

// endsOf undoes addr.
func (d *Datagrams) endsOf(client netip.AddrPort, from net.Addr) ends {
	e := ends{client: client}
	addr, ok := from.(*net.UDPAddr)
	switch {
	case !ok || addr.Zone == "":
	case d.routes != nil:
		e.local, _ = netip.ParseAddr(addr.Zone) // always valid: addr has written it
	default:
		e.client = netip.AddrPortFrom(client.Addr().WithZone(addr.Zone), client.Port())
	}
	return e
}

// leave stops listening to the elders, and is what the next process needs to know of
// them.
func (k *elders) leave() (list []Legacy, err error) {
	if k == nil {
		return nil, nil
	}
	k.mu.Lock()
	k.left = true
	for _, e := range k.list {
		err = errors.Join(err, e.conn.SetReadDeadline(longAgo()))
	}
	k.mu.Unlock()
	k.reading.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.list {
		passage, failed := e.conn.File()
		if err = errors.Join(err, failed); err != nil {
			break
		}
		var its []ends
		for client, keeper := range k.keeper {
			if keeper == e {
				its = append(its, client)
			}
		}
		list = append(list, Legacy{Clients: listEnds(its), Passage: passage})
	}
	if err != nil {
		for _, l := range list {
			_ = l.Passage.Close() // a duplicate
		}
		return nil, err
	}
	return list, nil
}

// stay undoes leave.
func (k *elders) stay() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.left {
		return
	}
	k.left = false
	for _, e := range k.list {
		_ = e.conn.SetReadDeadline(time.Time{}) // of a conn that is open
		k.reading.Go(func() { k.listen(e) })
	}
}

// close ends all of it.
func (k *elders) close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	list := slices.Clone(k.list)
	k.mu.Unlock()
	for _, e := range list {
		_ = e.conn.Close() // who keeps clients has an end of its own
	}
	k.reading.Wait()
}

// Handed counts datagrams that were handed on to older processes, and those of them
// that were lost because a passage was full or its other end gone.
func (s *socket) Handed() (all, lost uint64) {
	all, lost = s.tally.handed.Load(), s.tally.lost.Load()
	if k := s.elders.Load(); k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, e := range k.list {
			lost += e.sock.Lost()
		}
	}
	return all, lost
}
