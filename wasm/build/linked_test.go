package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// section is one section of a module.
func section(id byte, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	return append(binary.AppendUvarint([]byte{id}, uint64(len(all))), all...)
}

// vector is a vector of bytes: their number, and they.
func vector(text string) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(text))), text...)
}

// module is a small one: it imports one function and has three.
func smallModule() (whole, without []byte) {
	first := bytes.Join([][]byte{
		[]byte(wasmHeader),
		section(customSection, vector("go:buildid"), []byte("id")),
		section(importSection, []byte{1}, vector("gojs"), vector("walltime"), []byte{importedFunction, 0}),
		section(codeSection, []byte{3}, vector("1234567"), vector("89"), vector("0")),
	}, nil)
	names := section(customSection, vector("name"),
		section(0, vector("module")),
		section(functionNames, []byte{4, 0}, vector("walltime"), []byte{1}, vector("runtime.main"), []byte{2},
			vector("encoding_json.__decodeState_.value"), []byte{3}, vector("github.com_pion_webrtc_v4.NewAPI")))
	last := section(customSection, vector("producers"), []byte("go"))
	return slices.Concat(first, names, last), slices.Concat(first, last)
}

func TestTakeNames(t *testing.T) {
	t.Parallel()
	whole, want := smallModule()
	functions, without, err := takeNames(whole)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(without, want) {
		t.Errorf("takeNames() leaves %q, want %q", without, want)
	}
	wantFunctions := []function{{"runtime.main", 7}, {"encoding_json.__decodeState_.value", 2}, {"github.com_pion_webrtc_v4.NewAPI", 1}}
	if !slices.Equal(functions, wantFunctions) {
		t.Errorf("takeNames() = %v, want %v", functions, wantFunctions)
	}
	if _, _, err := takeNames(without); err == nil {
		t.Error("takeNames() of a module without names reports nothing: nothing would be checked")
	}
}

// FuzzTakeNames: a module that can be read keeps all its bytes but its names,
// and no bytes make it panic or run for long.
func FuzzTakeNames(f *testing.F) {
	whole, without := smallModule()
	f.Add(whole)
	f.Add(without)
	f.Add(whole[:len(whole)-30])
	f.Fuzz(func(t *testing.T, module []byte) {
		functions, without, err := takeNames(module)
		if err != nil {
			return
		}
		if len(without) >= len(module) || !bytes.HasPrefix(without, []byte(wasmHeader)) || len(functions) == 0 {
			t.Errorf("takeNames(%q) = %v, %q", module, functions, without)
		}
	})
}

func TestWeigh(t *testing.T) {
	t.Parallel()
	got := weigh([]function{
		{"main.main", 1},
		{"encoding_json.__decodeState_.value", 20},
		{"encoding_json.init", 3},
		{"github.com_pion_webrtc_v4.NewAPI", 4},
		{"github.com_pion_webrtc_v4_pkg_rtcerr.X.Error", 5},
		{"wasm_export_run", 6},
	}, []string{"encoding/json", "github.com/pion/webrtc/v4", "github.com/pion/webrtc/v4/pkg/rtcerr", "encoding"})
	want := []weight{
		{"encoding/json", 23},
		{"", 6},
		{"github.com/pion/webrtc/v4/pkg/rtcerr", 5},
		{"github.com/pion/webrtc/v4", 4},
		{"wasm/app", 1},
	}
	if !slices.Equal(got, want) {
		t.Errorf("weigh() = %v, want %v", got, want)
	}
}

func TestCheckCut(t *testing.T) {
	t.Parallel()
	const standin = "github.com_wasmp2pchat_wasmp2pchat_wasm_standin_"
	packages := []string{"crypto/internal/fips140/aes", "cryptography", "net", "runtime", "github.com/pion/ice/v4"}
	tests := []struct{ name, function, want string }{
		{"the runtime", "runtime.main", ""},
		{"a name that begins alike", "cryptography.Hide", ""},
		{"an unwanted package", "net.Dial", "1 bytes of net are linked"},
		{"one below it", "crypto_internal_fips140_aes.init", "crypto/internal/fips140/aes are linked"},
		{"the real ice", "github.com_pion_ice_v4.__Agent_.Close", "github.com/pion/ice/v4 are linked"},
		{"a stand-in", standin + "ice.UnmarshalCandidate", "calls ice.UnmarshalCandidate of a stand-in"},
		{"the one that may run", standin + "fmt.Errorf", ""},
		{"the one beside it", standin + "fmt.Sprintf", "calls fmt.Sprintf of a stand-in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := checkCut([]function{{tt.function, 1}}, packages)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("checkCut(%s) = %v, want an error with %q", tt.function, err, tt.want)
			}
		})
	}
}

func TestCheckBudget(t *testing.T) {
	t.Parallel()
	weights := []weight{{"runtime", 1_000_000}, {"encoding/json", 500_000}}
	if err := checkBudget(packedFile{brotli: make([]byte, clientBudget)}, weights); err != nil {
		t.Errorf("checkBudget(all of it) = %v, want none", err)
	}
	err := checkBudget(packedFile{brotli: make([]byte, clientBudget+123)}, weights)
	if err == nil {
		t.Fatal("checkBudget(more) reports nothing")
	}
	for _, want := range []string{"123 more than its budget", "1000000  runtime", "500000  encoding/json"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("checkBudget(more) = %v, want %q in it", err, want)
		}
	}
}
