package natlab

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// labName names a lab; its namespaces are natlab-PID-ID-PART. The pid says
// whose lab it is, so that labs whose maker has died can be told from the rest.
type labName struct {
	pid int    // of the process that made the lab
	id  string // tells the labs of one process apart
}

func newLabName() labName {
	return labName{os.Getpid(), strings.ToLower(rand.Text()[:8])}
}

// part names one namespace of the lab.
func (n labName) part(part string) string {
	return fmt.Sprintf("natlab-%d-%s-%s", n.pid, n.id, part)
}

// parseLabName tells which lab a namespace belongs to, if any.
func parseLabName(namespace string) (labName, bool) {
	field := strings.Split(namespace, "-")
	if len(field) != 4 || field[0] != "natlab" || field[2] == "" || field[3] == "" {
		return labName{}, false
	}
	pid, err := strconv.Atoi(field[1])
	if err != nil || pid <= 0 {
		return labName{}, false
	}
	return labName{pid, field[2]}, true
}

// orphans selects the namespaces of labs whose maker is not alive.
func orphans(namespaces []string, alive func(pid int) bool) []string {
	var list []string
	for _, namespace := range namespaces {
		if lab, ok := parseLabName(namespace); ok && !alive(lab.pid) {
			list = append(list, namespace)
		}
	}
	return list
}
