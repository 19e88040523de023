// Package godebug stands in for the standard library's internal/godebug in the
// browser client, where there is no GODEBUG: every setting has its default. Only
// package time asks for one; the real package brings all metrics of the runtime
// and a search for faulty commits with it, 31 kB in brotli.
package godebug

// Setting is one setting of GODEBUG.
type Setting struct{ name string }

// New returns the setting of that name.
func New(name string) *Setting { return &Setting{name} }

// Name is the name of the setting.
func (s *Setting) Name() string { return s.name }

// Undocumented tells that no setting is hidden.
func (*Setting) Undocumented() bool { return false }

// String is the setting as GODEBUG would have it.
func (s *Setting) String() string { return s.name + "=" }

// Value is empty: the default.
func (*Setting) Value() string { return "" }

// IncNonDefault counts what does not happen: another than the default.
func (*Setting) IncNonDefault() {}
