package turnsvc

import (
	"slices"
	"sync/atomic"

	"github.com/pion/stun/v3"
)

// refusalCodes are those of our error answers; 0 stands for every other one.
func refusalCodes() [13]stun.ErrorCode {
	return [...]stun.ErrorCode{0, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508}
}

// refusals counts error answers by code. The zero value is ready.
type refusals [13]atomic.Uint64

// add counts one answer.
func (r *refusals) add(code stun.ErrorCode) {
	codes := refusalCodes()
	r[max(0, slices.Index(codes[:], code))].Add(1)
}

func (r *refusals) snapshot() map[int]uint64 {
	all := map[int]uint64{}
	for i, code := range refusalCodes() {
		all[int(code)] = r[i].Load()
	}
	return all
}
