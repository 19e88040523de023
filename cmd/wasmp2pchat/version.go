package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/wasmp2pchat/wasmp2pchat/wasm"
)

// buildVersion is the module version or, between versions, the commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	switch {
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	case revision != "":
		return "devel-" + revision + changed
	default:
		return "devel"
	}
}

func versionCommand(w world) error {
	if err := flags(w, "version", "").Parse(w.args); err != nil {
		return err
	}
	page, err := wasm.New()
	if err != nil {
		return fmt.Errorf("read the embedded page: %w", err)
	}
	fmt.Fprintf(w.stdout, "wasmp2pchat %s\nclient %s\n%s %s/%s\n", buildVersion(), page.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
