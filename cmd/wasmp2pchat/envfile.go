package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

// envFile is the setting that names a file of further settings, in the format
// of systemd's EnvironmentFile. A process cannot be given another environment,
// so it is such a file that SIGHUP reads again. What the environment says wins.
const envFile = prefix + "ENV_FILE"

// maxEnvFileBytes bounds a file of settings.
const maxEnvFileBytes = 1 << 20

var (
	errEnvLine  = errors.New("want NAME=value, or a comment that begins with #")
	errEnvQuote = errors.New("a quotation mark is not closed, or something follows it")
	errEnvLines = errors.New("a value ends on its line: no backslash at the end")
	errEnvSlash = errors.New("a backslash: put the value into single quotation marks")
	errEnvBig   = errors.New("more than 1 MiB: no file of settings")
)

// withEnvFileFlag adds --env-file to a command, and returns how the command
// learns the environment when the flags were parsed.
func withEnvFileFlag(fs *flag.FlagSet, environ []string) func() []string {
	path := fs.String("env-file", "", "a `file` with settings, as "+envFile+" names it")
	return func() []string {
		if *path == "" {
			return environ
		}
		return append(slices.Clip(environ), envFile+"="+*path)
	}
}

// envEntry is a line of such a file.
type envEntry struct{ name, value string }

// readEnvFile reads a file of settings.
func readEnvFile(path string) ([]envEntry, error) {
	text, err := durable.Read(path)
	if err != nil {
		return nil, err
	}
	if len(text) > maxEnvFileBytes {
		return nil, fmt.Errorf("%s: %w", path, errEnvBig)
	}
	entries, err := parseEnv(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

// parseEnv reads lines of NAME=value as systemd.exec(5) describes them: # and ;
// begin comments, white space around a value is not part of it, and a value may
// stand in quotation marks. Nothing is expanded. What systemd, Compose and shells
// read differently is an error: values of several lines, what follows a closing
// quotation mark, and backslashes outside of any.
func parseEnv(text string) (entries []envEntry, err error) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'") {
			return nil, fmt.Errorf("line %d: %w", number, errEnvLine)
		}
		if value, err = unquote(strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", number, name, err)
		}
		entries = append(entries, envEntry{name, value})
	}
	return entries, nil
}

// unquote reads a value. In double quotation marks a backslash takes the next of
// " \ $ ` as it is, in single ones nothing is special.
func unquote(text string) (string, error) {
	switch {
	case strings.HasSuffix(text, `\`):
		return "", errEnvLines
	case text == "":
		return "", nil
	case text[0] == '"' || text[0] == '\'':
		return unquoted(text)
	case strings.Contains(text, `\`):
		return "", errEnvSlash
	}
	return text, nil
}

// unquoted reads a value that begins with a quotation mark.
func unquoted(text string) (string, error) {
	mark, value := text[0], new(strings.Builder)
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == mark && i == len(text)-1:
			return value.String(), nil
		case c == mark:
			return "", errEnvQuote
		case c == '\\' && mark == '"' && strings.IndexByte("\"\\$`", text[i+1]) >= 0:
			i++
			value.WriteByte(text[i])
		default:
			value.WriteByte(c)
		}
	}
	return "", errEnvQuote
}

// quote writes a value as unquote, systemd, Compose and shells read it.
func quote(value string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-./:,@%+=*[]", c)
	}
	switch {
	case strings.TrimFunc(value, plain) == "":
		return value
	case !strings.Contains(value, "'"):
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
}
