package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "",
		"# a comment\n\n; another one\n": "",
		"A=1\nB=2":                       "A=1|B=2",
		"  A = 1 \r\n":                   "line 1: want NAME=value, or a comment that begins with #",
		"A=  x y  ":                      "A=x y",
		"A=x#y # z":                      "A=x#y # z",
		"A=":                             "A=",
		`A="x \"y\" \\ \$HOME"`:          `A=x "y" \ $HOME`,
		`A="C:\dir"`:                     `A=C:\dir`,
		`A='x "y" \ $HOME'`:              `A=x "y" \ $HOME`,
		"A=$HOME":                        "A=$HOME",
		"export A=1":                     "line 1: want NAME=value, or a comment that begins with #",
		"A=1\nnonsense":                  "line 2: want NAME=value, or a comment that begins with #",
		"=1":                             "line 1: want NAME=value, or a comment that begins with #",
		`A="x`:                           "line 1: A: a quotation mark is not closed, or something follows it",
		`A="x" # y`:                      "line 1: A: a quotation mark is not closed, or something follows it",
		`A=x\y`:                          "line 1: A: a backslash: put the value into single quotation marks",
		"A=x\\\ny":                       "line 1: A: a value ends on its line: no backslash at the end",
	} {
		var got []string
		entries, err := parseEnv(text)
		for _, e := range entries {
			got = append(got, e.name+"="+e.value)
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("parseEnv(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzEnvFile holds that what is read can be written, and is read as the same.
func FuzzEnvFile(f *testing.F) {
	for _, text := range []string{"A=1", `A="x \"y\" \\ \$HOME"`, "A='x y'", "A=it's", "# no\nB=\\", "A=\"\\", `A=""`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseEnv(text)
		if err != nil {
			return
		}
		for _, e := range entries {
			again, err := parseEnv(e.name + "=" + quote(e.value))
			if err != nil || len(again) != 1 || again[0] != e {
				t.Fatalf("%q of %q is written %s and read as %q, %v", e, text, quote(e.value), again, err)
			}
		}
	})
}

// TestTheEnvironmentWins holds who is heard of the environment and the file that
// it names.
func TestTheEnvironmentWins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "env"), filepath.Join(dir, "secret")
	must(t, os.WriteFile(secret, []byte("the secret of a file\n"), 0o600))
	must(t, os.WriteFile(path, []byte(strings.Join([]string{
		"GOMEMLIMIT=1GiB", prefix + "MATCH_AVOID='1h'", prefix + "MATCH_TAG_WAIT=3s", prefix + "TURN_TCP_ADDR=",
		prefix + "ROOM_SECRET=the secret of the env file", prefix + "LOG_LEVEL=warn", prefix + "LOG_FORMAT=json",
	}, "\n")), 0o600))
	c, list, err := loadConfig([]string{
		envFile + "=" + path, prefix + "MATCH_AVOID=2h", prefix + "LOG_LEVEL=", prefix + "LOG_FORMAT=json", prefix + "ROOM_SECRET_FILE=" + secret,
	})
	must(t, err)
	if c.Match.Avoid.Hours() != 2 || c.Match.TagWait.Seconds() != 3 || c.TURN.TCPAddr != "" || c.Log.Level.String() != "WARN" || c.RoomSecret.reveal() != "the secret of a file" {
		t.Errorf("avoid %v, tag wait %v, tcp %q, level %v", c.Match.Avoid, c.Match.TagWait, c.TURN.TCPAddr, c.Log.Level)
	}
	want := map[string]string{
		"MATCH_AVOID": "environment, over " + path, "MATCH_TAG_WAIT": path, "TURN_TCP_ADDR": path, "LOG_LEVEL": path,
		"LOG_FORMAT": "environment", "ROOM_SECRET": secret + ", over " + path, "ENV_FILE": "environment", "MATCH_CROWD": "default",
	}
	for _, s := range list {
		if from, asked := want[strings.TrimPrefix(s.name, prefix)]; asked && s.from() != from {
			t.Errorf("%s is from %q, want %q", s.name, s.from(), from)
		}
	}
}

// TestFaultsOfAnEnvFile holds that they are told as those of the environment.
func TestFaultsOfAnEnvFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	for text, want := range map[string]string{
		prefix + "ADR=:80":                 prefix + "ADR: no such setting; did you mean " + prefix + "ADDR?",
		prefix + "MATCH_AVOID=soon":        prefix + `MATCH_AVOID: read "soon", want a duration such as 90s or 2m`,
		envFile + "=/etc/other":            envFile + ": stands in " + path + "; want it in the environment",
		"nonsense":                         envFile + ": " + path + ": line 1: want NAME=value, or a comment that begins with #",
		strings.Repeat("#\n", 1+1<<20/2):   envFile + ": " + path + ": more than 1 MiB: no file of settings",
		prefix + "ROOM_SECRET=hunter2":     prefix + `ROOM_SECRET: read "[redacted]", want a secret of at least 16 characters`,
		prefix + "TURN_MAX_ALLOCATIONS=-1": prefix + "TURN_MAX_ALLOCATIONS: want 1 or more",
	} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		_, _, err := loadConfig([]string{envFile + "=" + path, prefix + "WS_MAX_PER_IP=-1"})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "WS_MAX_PER_IP: want 0 or more") {
			t.Errorf("%.50q:\n got %v\nwant %q, and the other fault too", text, err, want)
		}
	}
	_, _, err := loadConfig([]string{envFile + "=/does/not/exist"})
	if err == nil || !strings.Contains(err.Error(), envFile+": open /does/not/exist: no such file or directory") {
		t.Errorf("a file that there is not: %v", err)
	}
}
