package wire

// ICEServer is an RTCIceServer (W3C WebRTC §4.2.2): where a client finds STUN
// or TURN, and for TURN the credential that it shows there.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// ICECandidate is an RTCIceCandidateInit (W3C WebRTC §4.8.1.1) as browsers
// serialise it. The zero SDPMLineIndex is the first media section.
type ICECandidate struct {
	Candidate        string `json:"candidate"`
	SDPMid           string `json:"sdpMid"`
	SDPMLineIndex    uint16 `json:"sdpMLineIndex"`
	UsernameFragment string `json:"usernameFragment,omitempty"`
}
