package conformance

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// planeOfTests is that of every service that is ours.
var planeOfTests turnsvc.DataPlane //nolint:gochecknoglobals // TestMain can hand nothing to tests

// TestMain runs every test on each data plane, one after the other; benchmarks and
// fuzz tests on the first.
func TestMain(m *testing.M) {
	flag.Uint64("drawn", 8656, "which questions are drawn that coturn is asked, too")
	list := flag.String("planes", "batch,pion", "the data planes to test, separated by commas")
	flag.Parse()
	once := flag.Lookup("test.bench").Value.String()+flag.Lookup("test.fuzz").Value.String()+flag.Lookup("test.list").Value.String() != ""
	for i, name := range strings.Split(*list, ",") {
		if err := planeOfTests.UnmarshalText([]byte(name)); err != nil {
			panic(err)
		}
		if i > 0 && once {
			return
		}
		if m.Run() != 0 { // which the process ends with
			fmt.Fprintln(os.Stderr, "on the data plane", name)
			return
		}
	}
}
