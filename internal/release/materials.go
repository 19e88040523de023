package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
)

// bom is a bill of materials: CycloneDX 1.6, as much of it as a Go program knows
// of itself. https://cyclonedx.org/docs/1.6/json
type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Serial     string      `json:"serialNumber"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
	Depends    []depends   `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp,omitempty"` // of the commit: the build has none, or it would be another each time
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type depends struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn,omitempty"`
}

// materials lists what is linked into a program with that checksum: the standard
// library of the compiler, and every module.
func materials(info *debug.BuildInfo, sum string) ([]byte, error) {
	program := componentOf("application", info.Main.Path, info.Main.Version)
	program.Hashes = []hash{{"SHA-256", sum}}
	list := bom{
		Format: "CycloneDX", Spec: "1.6", Serial: serial(sum), Version: 1,
		Metadata:   metadata{Component: program},
		Components: []component{componentOf("library", "std", strings.TrimPrefix(info.GoVersion, "go"))},
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			list.Metadata.Timestamp = s.Value
		}
	}
	for _, dep := range info.Deps {
		linked := dep
		if dep.Replace != nil {
			linked = dep.Replace
		}
		c := componentOf("library", linked.Path, linked.Version)
		if linked.Sum != "" {
			c.Properties = []property{{"go.sum", linked.Sum}}
		}
		list.Components = append(list.Components, c)
	}
	all := depends{Ref: program.Ref}
	for _, c := range list.Components {
		all.On = append(all.On, c.Ref)
	}
	list.Depends = []depends{all}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	return append(text, '\n'), nil
}

// componentOf is a module; its package URL is as purl-spec has it for golang.
func componentOf(kind, path, version string) component {
	purl := "pkg:golang/" + strings.ToLower(path) + "@" + url.PathEscape(version)
	return component{Type: kind, Ref: purl, Name: path, Version: version, PURL: purl}
}

// serial is a UUID that follows from what was built (RFC 9562 §5.8).
func serial(sum string) string {
	id := sha256.Sum256([]byte("wasmp2pchat bill of materials " + sum))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}
