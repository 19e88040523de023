package ebpf

// The object is made of relay.c by hand and committed, so that nobody else needs
// clang. That of Debian 12 and 13 makes the same bytes; a test holds them.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel,bpfeb -tags linux -type address -type key -type leg -type step -type count -type settings relay relay.c -- -mcpu=v3 -Wall -Wextra -Wno-sign-compare -Werror
//go:generate sh -c "LC_ALL=C sha256sum *.h *.c relay_bpf* > relay.sha256"
