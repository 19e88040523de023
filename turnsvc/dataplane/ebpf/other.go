//go:build !linux

package ebpf

import (
	"errors"
	"fmt"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// Open returns errors.ErrUnsupported.
func Open(dataplane.Options) (dataplane.Plane, error) {
	return nil, fmt.Errorf("eBPF takes Linux: %w", errors.ErrUnsupported)
}
