package peer

import (
	"context"
	"slices"
	"strconv"
	"syscall/js"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// measuresAtOnce tells that measure takes no time: here it takes some, when
// there is none to lose.
const measuresAtOnce = false

// blanksHelp tells that it takes time to make a connection.
const blanksHelp = true

// ranksByCheck tells that ICE learns from a check how good its sender thinks the
// address that it came from (RFC 8445 §7.3.1.3).
const ranksByCheck = true

// tuning is nothing here: the network is the browser's.
type tuning struct{}

// newPeerConnection makes an RTCPeerConnection of the browser.
func newPeerConnection(_ string, _ tuning, config webrtc.Configuration, _ *listeners) (*webrtc.PeerConnection, error) {
	return webrtc.NewPeerConnection(config)
}

// pooled tells whether candidates are gathered before there is a description.
// Firefox does not know that.
func (c *connection) pooled() bool {
	size := c.pc.JSValue().Call("getConfiguration").Get("iceCandidatePoolSize")
	return size.Type() == js.TypeNumber && size.Int() == poolSize
}

// setServers tells ICE where to gather from now on.
func (c *connection) setServers(_ Search, servers []wire.ICEServer) {
	config := c.pc.JSValue().Call("getConfiguration") // the rest stays as it is
	config.Set("iceServers", serverList(servers))
	c.configure(config) // if the browser refuses a URL, it keeps what it has
}

// adapt makes a connection that nobody has used one for a search. With pool
// candidates are gathered from now on, where the browser knows how. False means
// that it refuses: then the connection must not be used, lest it tell what shall
// be hidden.
func (c *connection) adapt(search Search, servers []wire.ICEServer, pool bool) bool {
	config := c.pc.JSValue().Call("getConfiguration")
	config.Set("iceServers", serverList(servers))
	if pool {
		config.Set("iceCandidatePoolSize", poolSize)
	}
	if search.RelayOnly {
		config.Set("iceTransportPolicy", candidateRelay)
	}
	return c.configure(config)
}

// configure is setConfiguration, without pion's, which would refuse TURN
// servers here.
func (c *connection) configure(config js.Value) (ok bool) {
	defer func() { ok = recover() == nil }()
	c.pc.JSValue().Call("setConfiguration", config)
	return
}

// serverList is the value of iceServers (W3C WebRTC §4.2.2).
func serverList(servers []wire.ICEServer) []any {
	list := make([]any, len(servers))
	for i, s := range servers {
		urls := make([]any, len(s.URLs))
		for j, url := range s.URLs {
			urls[j] = url
		}
		server := map[string]any{"urls": urls}
		if s.Credential != "" {
			server["username"], server["credential"] = s.Username, s.Credential
		}
		list[i] = server
	}
	return list
}

// rollback takes our offer back (RFC 8829 §4.1.10.2).
func (c *connection) rollback() error {
	return c.pc.SetLocalDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeRollback})
}

// reoffer makes a new offer while the one before it waits for an answer.
func (c *connection) reoffer() (webrtc.SessionDescription, error) {
	return c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
}

// told is what the partner is told of an answer: what it is.
func (c *connection) told(answer string) string { return answer }

// listenCandidates hands over our candidates as they are found. It does so
// without pion, whose OnICECandidate breaks IPv6 addresses, drops the user
// name fragment and costs every visitor 77 kB.
func (c *connection) listenCandidates() {
	c.events.on(c.pc.JSValue(), "icecandidate", func(event js.Value) {
		found := event.Get("candidate")
		if !found.Truthy() || found.Get("candidate").String() == "" { // that was the last one
			return
		}
		init := object{v: found.Call("toJSON"), fault: new(error)}
		if candidate := init.iceCandidate(); *init.fault == nil {
			c.found(candidate)
		}
	})
}

// listenFaults notes which servers could not be used (W3C WebRTC §4.8.2).
func (c *connection) listenFaults() {
	c.events.on(c.pc.JSValue(), "icecandidateerror", func(event js.Value) {
		if url, code := event.Get("url"), event.Get("errorCode"); url.Type() == js.TypeString && code.Type() == js.TypeNumber {
			c.blame(url.String(), code.Int())
		}
	})
}

// blame notes that a server could not be used. It runs in a callback.
func (c *connection) blame(url string, code int) {
	fault := faultOf(url, code)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) < wire.MaxOutcomeFaults && !slices.Contains(c.faults, fault) {
		c.faults = append(c.faults, fault)
	}
}

// states are those of ICE, of its gathering, and of DTLS.
func (c *connection) states() (ice, gathering, dtls string) {
	pc := stats(c.pc.JSValue())
	return pc.text("iceConnectionState"), pc.text("iceGatheringState"), pc.object("sctp").object("transport").text("state")
}

// listenFrames hands over the frames that come on a DataChannel. It does so
// without pion, which starts a goroutine for each before it knows its size.
func (c *connection) listenFrames(channel *webrtc.DataChannel) {
	c.events.on(channel.JSValue(), "message", func(event js.Value) {
		data := event.Get("data")
		if data.Type() != js.TypeString {
			return
		}
		if text := data.String(); len(text) <= wire.MaxFrameBytes { // a js.Value of a string has no Length
			c.take(text)
		}
	})
}

// measure asks the browser for the pair that ICE selected; pion has no
// GetStats here.
func (c *connection) measure(ctx context.Context) (pair, bool) {
	report, ok := await(ctx, c.pc.JSValue().Call("getStats"))
	if !ok {
		return pair{}, false
	}
	selected := js.Undefined()
	entries := js.Global().Get("Array").Call("from", report.Call("values"))
	for i := range entries.Length() {
		switch s := entries.Index(i); s.Get("type").String() {
		case "transport":
			if id := s.Get("selectedCandidatePairId"); id.Truthy() {
				selected = report.Call("get", id)
			}
		case "candidate-pair":
			if s.Get("selected").Truthy() { // Firefox, whose transports do not tell
				selected = s
			}
		}
	}
	if !selected.Truthy() {
		return pair{}, false
	}
	local := stats(report.Call("get", selected.Get("localCandidateId")))
	remote := stats(report.Call("get", selected.Get("remoteCandidateId")))
	return pair{
		localType:     local.text("candidateType"),
		relayProtocol: local.text("relayProtocol"),
		remoteType:    remote.text("candidateType"),
		remoteAddress: addressPort(remote.text("address"), strconv.Itoa(remote.integer("port"))),
		rtt:           time.Duration(stats(selected).number("currentRoundTripTime") * float64(time.Second)),
	}, true
}

// stats is one entry of an RTCStatsReport.
func stats(entry js.Value) object { return object{v: entry, fault: new(error)} }

// await waits for a promise; false means that it failed or that ctx ended.
func await(ctx context.Context, promise js.Value) (js.Value, bool) {
	kept, broken := make(chan js.Value, 1), make(chan struct{}, 1)
	var resolve, reject js.Func
	release := func() { // by whichever is called: it may be after ctx has ended
		resolve.Release()
		reject.Release()
	}
	resolve = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		kept <- args[0]
		return nil
	})
	reject = js.FuncOf(func(js.Value, []js.Value) any {
		release()
		broken <- struct{}{}
		return nil
	})
	promise.Call("then", resolve, reject)
	select {
	case value := <-kept:
		return value, true
	case <-broken:
	case <-ctx.Done():
	}
	return js.Undefined(), false
}

// closeChannel begins to close the DataChannel. pion's Close would release the
// callbacks at once, and the browser would call what is no longer there.
func (c *connection) closeChannel() { c.channel.JSValue().Call("close") }

// closeConnection closes without a last word to pion's callbacks, which its
// Close releases.
func (c *connection) closeConnection() {
	if c.channel != nil {
		c.channel.JSValue().Set("onopen", nil)
		c.channel.JSValue().Set("onclose", nil)
		_ = c.channel.Close()
	}
	c.pc.JSValue().Set("onconnectionstatechange", nil)
	c.pc.JSValue().Set("ondatachannel", nil)
	_ = c.pc.Close()
}
