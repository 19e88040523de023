// Package gate stands between the sockets that strangers reach and pion/turn.
//
// It promises that whoever reads from it is given one whole STUN or ChannelData
// message at a time, well formed in its header and never longer than
// MaxFrameBytes; that a stranger costs bounded memory and bounded time; and that
// the sockets go on listening whatever strangers or the kernel do to them.
//
//	UDP sockets, one a core ─▶ Datagrams ───────────────────────┐
//	                                                            ├─▶ ReadFrom: one message ─▶ pion/turn
//	TCP socket ────▶ Listener ─▶ PROXY header? ─▶ TLS? ─▶ Stream┤
//	listener of others ─▶ Listener ─────────────────────▶ Stream┤
//	UDP socket ─▶ Flows ─▶ Listener ─▶ DTLS ────────────▶ Stream┘
//
// It leaves to others what the messages mean: credentials, quotas and peers are
// the business of turnsvc.
package gate
