package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryFileIsOnTheMap holds the list in doc.go to the folder.
func TestEveryFileIsOnTheMap(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		stem, platform, _ := strings.Cut(strings.TrimSuffix(name, ".go"), "_")
		named := strings.Contains(string(doc), name) || platform != "" && strings.Contains(string(doc), stem+".go (_")
		if !named {
			t.Errorf("doc.go does not say what %s is for", name)
		}
	}
}
