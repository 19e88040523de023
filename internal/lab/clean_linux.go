package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// folderName is that of what a run writes, for os.MkdirTemp; it takes the pid of the
// run.
const folderName = "wasmp2pchat-lab-%d-*"

// Clean removes what killed runs left: namespaces, with every process in them, and
// files; and tells how many of both. What belongs to a process that lives is left.
func Clean(ctx context.Context) (removed int, err error) {
	removed, err = natlab.Sweep(ctx)
	folders, globErr := filepath.Glob(filepath.Join(os.TempDir(), "wasmp2pchat-lab-*-*"))
	errs := []error{err, globErr}
	for _, folder := range folders {
		var pid int
		if n, _ := fmt.Sscanf(filepath.Base(folder), "wasmp2pchat-lab-%d-", &pid); n == 1 && pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			errs = append(errs, os.RemoveAll(folder))
			removed++
		}
	}
	return removed, errors.Join(errs...)
}
