package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
)

// packedFile is a file with its compressed twins, which are nil where they
// would save nothing worth mentioning.
type packedFile struct {
	pageFile

	brotli, gzip []byte
}

// pack compresses as hard as it can: it is done once, and downloaded by
// everybody.
func pack(f pageFile) (packedFile, error) {
	packed := packedFile{pageFile: f}
	var br bytes.Buffer
	// A window of 2^24 bytes is the largest that every browser takes (RFC 7932 §9.1).
	err := compress(brotli.NewWriterOptions(&br, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24}), f.body)
	if err != nil {
		return packedFile{}, fmt.Errorf("compress %s: %w", f.name, err)
	}
	var gz bytes.Buffer
	w, err := gzip.NewWriterLevel(&gz, gzip.BestCompression)
	if err != nil {
		return packedFile{}, fmt.Errorf("compress %s: %w", f.name, err)
	}
	if err := compress(w, f.body); err != nil {
		return packedFile{}, fmt.Errorf("compress %s: %w", f.name, err)
	}
	packed.brotli, packed.gzip = ifWorthIt(br.Bytes(), f.body), ifWorthIt(gz.Bytes(), f.body)
	return packed, nil
}

func compress(w io.WriteCloser, body []byte) error {
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Close()
}

// ifWorthIt drops a compressed twin that saves less than a tenth.
func ifWorthIt(compressed, body []byte) []byte {
	if len(compressed) > len(body)*9/10 {
		return nil
	}
	return compressed
}
