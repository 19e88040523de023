package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"syscall/js"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/pion/webrtc/v4"
)

func main() {
	start := element("start")
	start.Call("addEventListener", "click", js.FuncOf(func(js.Value, []js.Value) any {
		start.Set("disabled", true)
		go func() {
			if err := chat(context.Background()); err != nil {
				show(fmt.Sprintf("error: %v", err))
			}
			start.Set("disabled", false)
		}()
		return nil
	}))
	start.Set("disabled", false)
	select {}
}

func element(id string) js.Value { return js.Global().Get("document").Call("getElementById", id) }

func show(text string) {
	line := js.Global().Get("document").Call("createElement", "p")
	line.Set("textContent", text)
	element("log").Call("append", line)
}

// server is the address of an endpoint.
func server(path string) string {
	origin := js.Global().Get("location").Get("origin").String()
	return strings.Replace(origin, "http", "ws", 1) + path
}

type matched struct {
	Type       string `json:"type"`
	RoomID     string `json:"room_id"`
	ICEServers []struct {
		URLs       []string `json:"urls"`
		Username   string   `json:"username"`
		Credential string   `json:"credential"`
	} `json:"iceServers"`
}

type signal struct {
	Type        string                   `json:"type"`
	RoomID      string                   `json:"roomId,omitempty"`
	ClientID    string                   `json:"clientId,omitempty"`
	IsExistUser bool                     `json:"isExistUser,omitempty"`
	SDP         string                   `json:"sdp,omitempty"`
	ICE         *webrtc.ICECandidateInit `json:"ice,omitempty"`
}

// chat finds a stranger and talks to him until one of them leaves.
func chat(ctx context.Context) error {
	queue, _, err := websocket.Dial(ctx, server("/matchmaking"), nil)
	if err != nil {
		return fmt.Errorf("dial matchmaking: %w", err)
	}
	defer func() { _ = queue.CloseNow() }()
	user := rand.Text()
	if err := wsjson.Write(ctx, queue, map[string]any{"user_id": user, "created_at": time.Now()}); err != nil {
		return err
	}
	var match matched
	for match.Type != "MATCH" {
		if err := wsjson.Read(ctx, queue, &match); err != nil {
			return fmt.Errorf("wait for a match: %w", err)
		}
	}
	return talk(ctx, user, match)
}

func talk(ctx context.Context, user string, match matched) error {
	var config webrtc.Configuration
	for _, s := range match.ICEServers {
		config.ICEServers = append(config.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	pc, err := webrtc.NewPeerConnection(config)
	if err != nil {
		return err
	}
	defer func() { _ = pc.Close() }()
	room, _, err := websocket.Dial(ctx, server("/signaling"), nil)
	if err != nil {
		return fmt.Errorf("dial signaling: %w", err)
	}
	defer func() { _ = room.CloseNow() }()
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			init := c.ToJSON()
			_ = wsjson.Write(ctx, room, signal{Type: "candidate", ICE: &init})
		}
	})
	pc.OnDataChannel(listen)
	if err := wsjson.Write(ctx, room, signal{Type: "register", RoomID: match.RoomID, ClientID: user}); err != nil {
		return err
	}
	for {
		_, data, err := room.Read(ctx)
		if err != nil {
			return err
		}
		var s signal
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("signaling sent %q: %w", data, err)
		}
		if err := answer(ctx, room, pc, s); err != nil {
			return err
		}
	}
}

// answer does what a message of signaling asks for.
func answer(ctx context.Context, room *websocket.Conn, pc *webrtc.PeerConnection, s signal) error {
	var local webrtc.SessionDescription
	var err error
	switch s.Type {
	case "accept":
		if !s.IsExistUser {
			return nil
		}
		channel, err := pc.CreateDataChannel("chat", nil)
		if err != nil {
			return err
		}
		listen(channel)
		local, err = pc.CreateOffer(nil)
		if err != nil {
			return err
		}
	case "offer":
		if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: s.SDP}); err != nil {
			return err
		}
		if local, err = pc.CreateAnswer(nil); err != nil {
			return err
		}
	case "answer":
		return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.SDP})
	case "candidate":
		return pc.AddICECandidate(*s.ICE)
	case "ping":
		return wsjson.Write(ctx, room, signal{Type: "pong"})
	default:
		return nil
	}
	if err := pc.SetLocalDescription(local); err != nil {
		return err
	}
	return wsjson.Write(ctx, room, signal{Type: local.Type.String(), SDP: local.SDP})
}

// listen lets people write on a channel, and shows what comes.
func listen(channel *webrtc.DataChannel) {
	channel.OnMessage(func(m webrtc.DataChannelMessage) { show("stranger: " + string(m.Data)) })
	element("composer").Call("addEventListener", "submit", js.FuncOf(func(_ js.Value, args []js.Value) any {
		args[0].Call("preventDefault")
		text := element("message").Get("value").String()
		show("me: " + text)
		go func() { _ = channel.SendText(text) }()
		return nil
	}))
}
