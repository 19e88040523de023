package doctor

// hints tell whether something else answers because the name leads to another
// host, or because another program has the port on the right one.
type hints struct {
	host   string
	onHost bool // the address is one of this machine
	stun   bool // STUN of this program's kind is answered at the same address
	others bool // this program answers at another address of the name
	cert   bool // what answers has a good certificate for the name
	named  bool // the URL has a name, and not an address
}

// sure reports whether nothing has to be guessed.
func (h hints) sure() bool { return h.onHost || h.stun || h.others || !h.named }

// cause is the more likely one.
func (h hints) cause() Cause {
	switch {
	case !h.named:
		return PortTaken
	case h.onHost, h.stun:
		return PortTaken
	case h.others:
		return DNSElsewhere
	case h.cert: // who has it had the name to get it with
		return PortTaken
	}
	return DNSElsewhere
}
