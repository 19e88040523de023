package wire

// Side tells the two members of a room apart.
type Side string

// The two sides: A is the one who waited.
const (
	SideA Side = "a"
	SideB Side = "b"
)
