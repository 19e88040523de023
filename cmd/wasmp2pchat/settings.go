package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

// prefix begins the name of every setting.
const prefix = "WASMP2PCHAT_"

// setting is one field of config, as people know it.
type setting struct {
	name     string // with the prefix
	fallback string // default, as it would be written
	secured  string // default with TLS, if that is another
	help     string
	value    reflect.Value
	live     bool   // SIGHUP changes it while the server serves
	raw      secret // as it was written, for it may be one; empty: it was not
	source   string // "default", "environment", or the file it was read from
	over     string // the file of ENV_FILE, if the environment wins over it
	isPath   bool   // source is a file that has this secret and nothing else
}

// text is the value as it would be written; secrets are masked.
func (s setting) text() string { return textOf(s.value) }

func textOf(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case slog.Level:
		return strings.ToLower(value.String())
	case time.Duration:
		return durationText(value)
	case secret:
		if value == "" {
			return ""
		}
	case redisURL:
		if value == "" {
			return ""
		}
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = textOf(v.Index(i))
	}
	return strings.Join(parts, ",")
}

// durationText writes 2m and 24h instead of 2m0s and 24h0m0s.
func durationText(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// isSecret tells whether a setting may be given as a file.
func (s setting) isSecret() bool {
	t := s.value.Type()
	return t == reflect.TypeFor[secret]() || t == reflect.TypeFor[[]secret]() || t == reflect.TypeFor[redisURL]()
}

// settings lists the fields of a config in the order of the struct.
func (c *config) settings() []setting {
	return settingsOf(reflect.ValueOf(c).Elem(), prefix)
}

func settingsOf(group reflect.Value, prefix string) (list []setting) {
	for field, value := range group.Fields() {
		if name, ok := field.Tag.Lookup("env"); ok {
			list = append(list, setting{
				name: prefix + name, fallback: field.Tag.Get("envDefault"), secured: field.Tag.Get("tlsDefault"),
				help: field.Tag.Get("help"), live: field.Tag.Get("live") != "", value: value, source: "default",
			})
		} else {
			list = append(list, settingsOf(value, prefix+field.Tag.Get("envPrefix"))...)
		}
	}
	return list
}

// faults is everything that is wrong with the settings, for one error.
type faults []error

func (f faults) Error() string {
	lines := []string{fmt.Sprintf("%d of the settings cannot be used:", len(f))}
	if len(f) == 1 {
		lines[0] = "one of the settings cannot be used:"
	}
	for _, err := range f {
		lines = append(lines, "  "+err.Error())
	}
	return strings.Join(lines, "\n")
}

// loadConfig reads the settings from an environment such as os.Environ, and from
// the file of ENV_FILE. The error lists every fault at once.
func loadConfig(environ []string) (*config, []setting, error) {
	return readConfig(environ, func(error) bool { return false })
}

// loadConfigOfNewer is loadConfig for settings that may be those of a newer version: of
// them, what this one does not know is no fault.
func loadConfigOfNewer(environ []string) (*config, []setting, error) {
	return readConfig(environ, func(fault error) bool {
		_, is := errors.AsType[*unknownError](fault)
		return is
	})
}

// readConfig reads the settings; there are faults that may be.
func readConfig(environ []string, mayBe func(fault error) bool) (*config, []setting, error) {
	c := new(config)
	list := c.settings()
	all, wrong := gather(environ, list)
	wrong = slices.DeleteFunc(wrong, mayBe)
	values := map[string]string{}
	for i, s := range list {
		text, source, err := all[s.name].read(s.name)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case source != "":
			list[i].source, list[i].raw, list[i].over, list[i].isPath = source, secret(text), all[s.name].over, all[s.name].isPath
			if err := tryAlone(s, text); err != nil {
				wrong = append(wrong, err)
			} else {
				values[s.name] = text
			}
		}
	}
	if values[prefix+"DOMAIN"] != "" || values[prefix+"TLS_CERT_FILE"] != "" {
		secure(list, values)
	}
	if err := parse(c, values); err != nil {
		return nil, nil, fmt.Errorf("read the settings: %w", err)
	}
	if wrong = append(wrong, c.faults()...); len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, nil, &hinted{err: wrong, hint: "wasmp2pchat config lists every setting with its default"}
	}
	return c, list, nil
}

// secure gives settings the default that they have with TLS, and those that nobody
// has set that value.
func secure(list []setting, values map[string]string) {
	for i, s := range list {
		if s.secured == "" {
			continue
		}
		list[i].fallback = s.secured
		if s.source == "default" {
			values[s.name] = s.secured
		}
	}
}

// given is what was given for a setting, and where.
type given struct {
	text   string
	isPath bool   // of a file that has it
	source string // "environment", or the file of ENV_FILE
	over   string // that file, if it says something else than the environment
}

// gather is what an environment has for us, and the file that it names; names
// that nobody knows are faults. The environment wins.
func gather(environ []string, list []setting) (all map[string]given, wrong faults) {
	entries := make([]envEntry, len(environ))
	for i, entry := range environ {
		entries[i].name, entries[i].value, _ = strings.Cut(entry, "=")
	}
	all, wrong = sift(entries, "environment", list)
	path := all[envFile].text
	if path == "" {
		return all, wrong
	}
	entries, err := readEnvFile(path)
	if err != nil {
		return all, append(wrong, fmt.Errorf("%s: %w", envFile, err))
	}
	more, faulty := sift(entries, path, list)
	wrong = append(wrong, faulty...)
	for name, g := range more {
		won, wins := all[name]
		switch {
		case name == envFile:
			wrong = append(wrong, fmt.Errorf("%s: stands in %s; want it in the environment", envFile, path))
		case !wins:
			all[name] = g
		case won.text != g.text || won.isPath != g.isPath:
			won.over = path
			all[name] = won
		}
	}
	return all, wrong
}

// sift keeps what is meant for us, by the names of the settings.
func sift(entries []envEntry, source string, list []setting) (all map[string]given, wrong faults) {
	known := map[string]setting{}
	for _, s := range list {
		known[s.name] = s
		if s.isSecret() {
			known[s.name+"_FILE"] = s
		}
	}
	all = map[string]given{}
	for _, e := range entries {
		s, isKnown := known[e.name]
		g := given{text: e.value, isPath: e.name != s.name, source: source}
		if e.value == "" && s.mayBeOff() {
			g.text = "off"
		}
		switch before := all[s.name]; {
		case !strings.HasPrefix(e.name, prefix):
		case !isKnown:
			wrong = append(wrong, &unknownError{e.name, closest(e.name, slices.Sorted(maps.Keys(known)))})
		case g.text == "": // as if it were not there
			delete(all, s.name)
		case before.text != "" && before.isPath != g.isPath:
			wrong = append(wrong, fmt.Errorf("%s: also given as %s_FILE; want one of them", s.name, s.name))
		default:
			all[s.name] = g
		}
	}
	return all, wrong
}

// unknownError is a name that is none of a setting.
type unknownError struct{ name, closest string }

func (u *unknownError) Error() string {
	return fmt.Sprintf("%s: no such setting; did you mean %s?", u.name, u.closest)
}

// mayBeOff tells whether an empty value means something: that a listener is off.
func (s setting) mayBeOff() bool {
	if !s.value.IsValid() {
		return false
	}
	t := s.value.Type()
	return t == reflect.TypeFor[listenAddr]() || t == reflect.TypeFor[[]listenAddr]()
}

// read is the text that was given, and where; a secret's may be in a file.
func (g given) read(name string) (text, source string, err error) {
	if !g.isPath {
		return g.text, g.source, nil
	}
	raw, err := durable.Read(g.text)
	if err != nil {
		return "", "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(raw)), g.text, nil
}

// tryAlone reads one value, so that a fault has a name.
func tryAlone(s setting, text string) error {
	err := parse(new(config), map[string]string{s.name: text})
	if err == nil {
		return nil
	}
	if address := new(redisURL); s.value.Type() == reflect.TypeFor[redisURL]() {
		return fmt.Errorf("%s: %w", s.name, address.UnmarshalText([]byte(text))) // which says what is wanted, and not what was read
	}
	if s.isSecret() {
		text = secret(text).String()
	}
	return fmt.Errorf("%s: read %q, want %s", s.name, text, allowed(s.value.Type(), err))
}

// allowed says what may be written for a type: our own types say it in their
// error.
func allowed(t reflect.Type, err error) string {
	if t.Kind() == reflect.Slice {
		return allowed(t.Elem(), err)
	}
	switch t.String() {
	case "time.Duration":
		return "a duration such as 90s or 2m"
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	case "slog.Level":
		return "debug, info, warn or error"
	case "netip.Addr":
		return "addresses such as 198.51.100.7 or 2001:db8::7, separated by commas"
	case "netip.Prefix":
		return "prefixes such as 10.0.0.0/8 or fd00::/8, separated by commas"
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	if all, ok := errors.AsType[env.AggregateError](err); ok && len(all.Errors) > 0 {
		return allowed(t, all.Errors[0])
	}
	if one, ok := errors.AsType[env.ParseError](err); ok {
		return allowed(t, one.Err)
	}
	return err.Error()
}

func parse(c *config, values map[string]string) error {
	return env.ParseWithOptions(c, env.Options{Prefix: prefix, Environment: values, FuncMap: map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[time.Duration](): func(text string) (any, error) { return time.ParseDuration(text) },
	}})
}

// closest is the name that takes the fewest edits to reach.
func closest(name string, names []string) string {
	best, fewest := "", len(name)+1
	for _, candidate := range names {
		if n := edits(name, candidate); n < fewest {
			best, fewest = candidate, n
		}
	}
	return best
}

// edits is the Levenshtein distance of two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
