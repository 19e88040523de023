package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// lookInterval is how often the files are read. Reading two small files
	// sees what inotify does not: a rename, a symbolic link that changes three
	// folders away as certbot's and Kubernetes' do, a folder on NFS.
	lookInterval = 5 * time.Second

	// complainInterval is how often a certificate that runs out is told of.
	complainInterval = 24 * time.Hour

	// maxFileBytes is what a chain and a key may need, many times over.
	maxFileBytes = 1 << 20
)

// files are a certificate that somebody else renews.
type files struct {
	keeper     *Keeper
	inUse      text      // what the certificate in use was made of
	refused    text      // what was bad when it was last read
	told       bool      // that refused is bad
	complained time.Time // when the certificate in use was last looked at
}

// text is what the two files hold, or why they cannot be read.
type text struct {
	chain, key []byte
	err        error
}

func (t text) equal(o text) bool {
	return bytes.Equal(t.chain, o.chain) && bytes.Equal(t.key, o.key) && (t.err == nil) == (o.err == nil)
}

func (f *files) name() string { return sourceFiles }

func (f *files) start() error {
	read := f.read()
	cert, sorted, err := read.parse()
	if err != nil {
		return f.explain(err)
	}
	f.take(read, cert, sorted)
	return nil
}

func (f *files) serve(ctx context.Context) {
	for ctx.Err() == nil {
		f.keeper.pause(ctx, lookInterval)
		f.look()
	}
}

func (f *files) renew() { f.keeper.stir() }

// look swaps the certificate if the files hold another good one. What is bad
// once may be half-written; what is bad twice in a row is told, once.
func (f *files) look() {
	k := f.keeper
	read := f.read()
	if read.equal(f.inUse) {
		f.refused, f.told = text{}, false
		k.set("", time.Time{})
		if k.clock.now().Sub(f.complained) >= complainInterval {
			f.complain(k.current.Load(), false)
		}
		return
	}
	cert, sorted, err := read.parse()
	switch {
	case err == nil:
		f.refused, f.told = text{}, false
		f.take(read, cert, sorted)
	case !read.equal(f.refused):
		f.refused, f.told = read, false
	case !f.told:
		err = f.explain(err)
		k.log.Error("new certificate not taken, the old one stays", "err", err, "not_after", k.current.Load().Leaf.NotAfter)
		k.set(err.Error(), time.Time{})
		f.told = true
	}
}

// take puts a pair into use.
func (f *files) take(read text, cert *tls.Certificate, sorted bool) {
	f.inUse = read
	f.keeper.use(cert)
	f.complain(cert, sorted)
}

// complain tells what visitors will stumble over.
func (f *files) complain(cert *tls.Certificate, sorted bool) {
	k := f.keeper
	f.complained = k.clock.now()
	for _, c := range complaints(cert, sorted, k.cfg.Domain, f.complained) {
		k.log.Warn("certificate trouble", "what", c.what, "file", k.cfg.CertFile, "hint", c.hint)
	}
}

// read reads both files.
func (f *files) read() (t text) {
	var err error
	t.chain, err = readFile(f.keeper.cfg.CertFile)
	t.key, t.err = readFile(f.keeper.cfg.KeyFile)
	t.err = errors.Join(err, t.err)
	return t
}

func (t text) parse() (*tls.Certificate, bool, error) {
	if t.err != nil {
		return nil, false, t.err
	}
	return parsePair(t.chain, t.key)
}

// explain names the files.
func (f *files) explain(err error) error {
	return fmt.Errorf("certificate %s with key %s: %w", f.keeper.cfg.CertFile, f.keeper.cfg.KeyFile, err)
}

// readFile reads a small file and explains why it cannot.
func readFile(path string) ([]byte, error) {
	f, err := os.DirFS(filepath.Dir(path)).Open(filepath.Base(path))
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		pathErr.Path = path // it has only the file's name
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, denied(path, err)
	}
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	return content, errors.Join(err, f.Close())
}
