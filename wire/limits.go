package wire

// Limits of what one message may hold. Server and client both keep them.
const (
	MaxMessageBytes   = 64 << 10 // a WebSocket message, unless the server is set otherwise
	MaxRoomIDBytes    = 128
	MaxClientIDBytes  = 128
	MaxUserIDBytes    = 128
	MaxDeviceBytes    = 128
	MaxTokenBytes     = 128
	MaxTags           = 4
	MaxTagBytes       = 32
	MaxExtensions     = 8
	MaxExtensionBytes = 32
	MaxTextBytes      = 4 << 10  // the text of a chat message, in UTF-8
	MaxFrameBytes     = 32 << 10 // a DataChannel frame: MaxTextBytes with every byte escaped, and more
)
