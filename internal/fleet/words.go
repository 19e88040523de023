package fleet

import (
	"strconv"
	"strings"
	"time"
)

// field is what this process is called in Redis: its id and its epoch.
func (f *Fleet) field() string { return f.cfg.Node + "/" + f.epoch }

// cutField is the id and the epoch in a field.
func cutField(field string) (node, epoch string, found bool) {
	node, epoch, found = strings.Cut(field, "/")
	return node, epoch, found && CheckID(node) == nil && CheckID(epoch) == nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func decimal(n int) string { return strconv.Itoa(n) }
