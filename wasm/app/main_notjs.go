//go:build !js

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "wasm/app: this program runs in a browser; go run ./wasm/build compiles it for one")
}
