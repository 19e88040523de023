package ice

// Candidate is what pion/webrtc asks of a candidate. No type here is one.
type Candidate interface {
	ID() string
	Foundation() string
	Priority() uint32
	Address() string
	Port() int
	Component() uint16
	Type() CandidateType
	NetworkType() NetworkType
	TCPType() TCPType
	RelatedAddress() *CandidateRelatedAddress
	Extensions() []CandidateExtension
	AddExtension(extension CandidateExtension) error
	Marshal() string
	String() string
}

// CandidateRelatedAddress is the base of a candidate.
type CandidateRelatedAddress struct {
	Address string
	Port    int
}

// CandidateExtension is one attribute of a candidate.
type CandidateExtension struct{ Key, Value string }

// CandidateHostConfig describes a host candidate.
type CandidateHostConfig struct {
	CandidateID, Network, Address, Foundation string

	Port      int
	Component uint16
	Priority  uint32
	TCPType   TCPType
}

// reflexiveConfig is what the configurations of all other candidates have in
// common.
type reflexiveConfig struct {
	CandidateID, Network, Address, Foundation, RelAddr string

	Port, RelPort int
	Component     uint16
	Priority      uint32
}

// CandidateServerReflexiveConfig describes a server-reflexive candidate.
type CandidateServerReflexiveConfig reflexiveConfig

// CandidatePeerReflexiveConfig describes a peer-reflexive candidate.
type CandidatePeerReflexiveConfig reflexiveConfig

// CandidateRelayConfig describes a relayed candidate.
type CandidateRelayConfig reflexiveConfig

// NewCandidateHost refuses.
//
//go:noinline
func NewCandidateHost(*CandidateHostConfig) (Candidate, error) { return nil, ErrCut }

// NewCandidateServerReflexive refuses.
//
//go:noinline
func NewCandidateServerReflexive(*CandidateServerReflexiveConfig) (Candidate, error) {
	return nil, ErrCut
}

// NewCandidatePeerReflexive refuses.
//
//go:noinline
func NewCandidatePeerReflexive(*CandidatePeerReflexiveConfig) (Candidate, error) { return nil, ErrCut }

// NewCandidateRelay refuses.
//
//go:noinline
func NewCandidateRelay(*CandidateRelayConfig) (Candidate, error) { return nil, ErrCut }

// UnmarshalCandidate refuses.
//
//go:noinline
func UnmarshalCandidate(string) (Candidate, error) { return nil, ErrCut }
