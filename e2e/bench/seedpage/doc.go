// Command seedpage is a browser client with the structure of the first
// WasmP2PChat, for side-by-side measurements only; nothing that we ship links it.
//
// It promises what that program did, with today's versions of the same
// libraries: pion/webrtc as it is, coder/websocket, encoding/json and fmt, a
// START button, matchmaking, the signaling of Ayame, and a chat. It leaves out
// what makes a chat pleasant.
package main
