package wasmp2pchat_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// manuals are what people read who type along.
func manuals() []string { return []string{"README.md", "docs/vps.md"} }

// by is who executes a command: a test, and the script that it plays if it plays
// one.
type by struct{ file, test, script string }

const scripts = "cmd/wasmp2pchat/testdata/"

// executed says of every command in the manuals who executes it. A script has it
// as a line that has to succeed; a test in Go has it, or how it begins, as a string,
// or the heading of the README below which it reads it.
func executed() map[string]by {
	return map[string]by{
		"make run":  {file: "e2e/readme_test.go", test: "TestTheManualsCommands"},
		"make test": {file: "maketest_test.go", test: "TestCIRunsTheSecondCommand", script: ".ci/run"},
		"make":      {file: "e2e/newcomer_test.go", test: "TestANewUserServes"},
		"git clone https://github.com/wasmp2pchat/wasmp2pchat && cd wasmp2pchat":              {file: "e2e/readme_test.go", test: "TestTheManualsCommands"},
		"sudo ./bin/wasmp2pchat init --install --domain chat.example.org":                     {file: "e2e/newcomer_test.go", test: "TestANewUserServes"},
		"git pull && make && sudo ./bin/wasmp2pchat init --install --domain chat.example.org": {file: "e2e/readme_test.go", test: "TestTheManualsCommands"},

		"wasmp2pchat [serve]":                         {script: scripts + "serve.txtar"},
		"wasmp2pchat init":                            {script: scripts + "init.txtar"},
		"wasmp2pchat doctor [URL]":                    {script: scripts + "serve.txtar"},
		"wasmp2pchat doctor https://chat.example.org": {script: scripts + "serve.txtar"},
		"wasmp2pchat admin VERB":                      {script: scripts + "admin.txtar"},
		"wasmp2pchat admin timeline":                  {script: scripts + "admin.txtar"},
		"wasmp2pchat chat URL":                        {file: "cmd/wasmp2pchat/story_test.go", test: "TestTwoTerminalsChat"},
		"wasmp2pchat loadtest URL":                    {script: scripts + "serve.txtar"},
		"wasmp2pchat lab":                             {file: "cmd/wasmp2pchat/lab_linux_test.go", test: "TestLab"},
		"wasmp2pchat credentials":                     {script: scripts + "credentials.txtar"},
		"wasmp2pchat config":                          {script: scripts + "config.txtar"},
		"wasmp2pchat health":                          {script: scripts + "serve.txtar"},
		"wasmp2pchat version":                         {script: scripts + "commands.txtar"},
		"sudo wasmp2pchat doctor":                     {file: "cmd/wasmp2pchat/doctor_test.go", test: "TestDoctorOnTheHost"},

		"wasmp2pchat admin upgrade":         {file: "e2e/systemd_test.go", test: "TestSystemdRunsTheServer", script: "e2e/testdata/systemd.sh"},
		"journalctl -u wasmp2pchat":         {file: "e2e/systemd_test.go", test: "TestSystemdRunsTheServer", script: "e2e/testdata/systemd.sh"},
		"sudo systemctl reload wasmp2pchat": {file: "e2e/systemd_test.go", test: "TestSystemdRunsTheServer", script: "e2e/testdata/systemd.sh"},
	}
}

// asksOthers are the commands that no test can execute, and why.
func asksOthers() map[string]string {
	return map[string]string{
		"dig +short chat.example.org":   "asks the DNS of the world",
		"sudo apt install git make gcc": "changes the machine, which has them: the tests are built with them",
	}
}

// TestEveryCommandIsExecuted holds the manuals to the tests: what people are told to
// type, a test types.
func TestEveryCommandIsExecuted(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for _, name := range manuals() {
		for _, command := range commandsOf(text(t, name)) {
			wanted[command] = true
		}
	}
	known := slices.Concat(slices.Collect(maps.Keys(executed())), slices.Collect(maps.Keys(asksOthers())))
	for command := range wanted {
		if !slices.Contains(known, command) {
			t.Errorf("nobody is said to execute %q", command)
		}
	}
	plan := readPlan(t)
	for _, command := range known {
		if !wanted[command] {
			t.Errorf("no manual has %q", command)
		}
	}
	for command, who := range executed() {
		if complaint := who.complaint(t, command, plan); complaint != "" {
			t.Errorf("%s: %s", command, complaint)
		}
	}
}

// TestWhoExecutesNothingIsFound keeps the check from holding by itself.
func TestWhoExecutesNothingIsFound(t *testing.T) {
	t.Parallel()
	plan := readPlan(t)
	for command, who := range map[string]by{
		"wasmp2pchat dance":   {script: scripts + "commands.txtar"},
		"wasmp2pchat health":  {script: scripts + "commands.txtar"}, // where it fails
		"wasmp2pchat version": {script: scripts + "init.txtar"},
		"make walk":           {file: "e2e/readme_test.go", test: "TestTheManualsCommands"},
		"make run":            {file: "e2e/readme_test.go", test: "TestOfNobody"},
		"make test":           {file: "docs_test.go", test: "TestLinksLeadSomewhere"},
		"make":                {file: "e2e/systemd_test.go", test: "TestANewUserServes"},
	} {
		if who.complaint(t, command, plan) == "" {
			t.Errorf("%s is taken to be executed by %+v", command, who)
		}
	}
	for manual, want := range map[string][]string{
		"    make x  # why\n\n    a ──▶ b\n           1 find\n":       {"make x"},
		"| `make` it | `make y` |\n|---|---|\n| `make z` | `git` |\n": {"make z"},
		"Type `git pull &&\nmake`, not `config` or\n`--flag`.\n":      {"git pull && make"},
	} {
		if got := commandsOf(manual); !slices.Equal(got, want) {
			t.Errorf("the commands of %q are %q, want %q", manual, got, want)
		}
	}
}

// inlineCommand is what in a sentence is to be typed: a program and what it is told.
var inlineCommand = regexp.MustCompile("^(?:sudo|wasmp2pchat|git|make|dig|journalctl|docker|systemctl|curl) ")

// commandsOf lists what a manual has one type: the lines of its blocks, the first
// column of its tables, and commands in its sentences.
func commandsOf(text string) (list []string) {
	for _, line := range blocks(text) {
		command, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && drawn.MatchString(command):
		case indented:
			command, _, _ = strings.Cut(command, " #")
			list = append(list, strings.TrimSpace(command))
		case strings.HasPrefix(line, "|"):
			cell := strings.Trim(strings.Split(line, "|")[1], " `")
			if inlineCommand.MatchString(cell) {
				list = append(list, cell)
			}
		default:
			for _, code := range inCode.FindAllString(line, -1) {
				if code = strings.Trim(code, "`"); inlineCommand.MatchString(code) {
					list = append(list, code)
				}
			}
		}
	}
	return list
}

// complaint says why it is not so that somebody executes a command; empty if it is.
func (who by) complaint(t *testing.T, command string, plan []step) string {
	t.Helper()
	if who.file == "" { // all scripts there are played by one test
		who.file, who.test = "cmd/wasmp2pchat/script_test.go", "TestScripts"
	}
	said, found := stringsOf(t, who.file, who.test)
	if !found {
		return who.file + " has no " + who.test
	}
	if !slices.ContainsFunc(plan, func(s step) bool { return s.runs(t, who.file, who.test) }) {
		return "make test does not run " + who.test + " of " + who.file
	}
	if who.script != "" {
		if !slices.ContainsFunc(said, func(s string) bool {
			dir, _ := path.Split(who.script)
			return path.Join(path.Dir(who.file), s) == who.script || path.Join(path.Dir(who.file), s)+"/" == dir
		}) {
			return who.test + " does not play " + who.script
		}
		if !hasLine(t, who.script, command) {
			return "no line of " + who.script + " executes it"
		}
		return ""
	}
	if !slices.ContainsFunc(said, func(s string) bool { return says(t, s, command) }) {
		return "nothing in " + who.test + " is it"
	}
	return ""
}

// says tells whether a string in a test makes it execute a command.
func says(t *testing.T, s, command string) bool {
	t.Helper()
	if words := strings.Fields(strings.TrimPrefix(command, "sudo ")); words[0] == "wasmp2pchat" {
		return s == words[1] // run has it as its first argument
	}
	if section, found := sectionOf(text(t, "README.md"), s); found {
		return slices.Contains(commandsOf(section), command)
	}
	return strings.HasPrefix(command, s) && strings.Contains(s, " ")
}

func sectionOf(text, heading string) (section string, found bool) {
	_, section, found = strings.Cut(text, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return section, found
}

// hasLine tells whether a script has a line that executes a command, with whatever
// flags besides, and that has to succeed; in CI, where there is a browser client.
func hasLine(t *testing.T, script, command string) bool {
	t.Helper()
	lines := text(t, script)
	for _, set := range regexp.MustCompile(`(?m)^(\w+)=(\S+)$`).FindAllStringSubmatch(lines, -1) {
		lines = strings.ReplaceAll(lines, "$"+set[1], set[2])
	}
	pattern := regexp.QuoteMeta(strings.TrimPrefix(command, "sudo "))
	for from, to := range map[string]string{
		` \[serve\]`: `(?: serve)?`, ` \[URL\]`: `(?: .*\$URL)?`, ` URL`: ` .*\$URL`, ` VERB`: ` \w+`, ` https://chat\.example\.org`: ` \$URL`,
	} {
		pattern = strings.ReplaceAll(pattern, from, to)
	}
	return regexp.MustCompile(`(?m)^(?:\[client\] )?(?:until )?(?:exec )?(?:sh -c 'exec )?` + pattern + `(?:[ .].*)?$`).MatchString(lines)
}

// stringsOf lists the strings in a test and in the functions of its folder that it
// calls.
func stringsOf(t *testing.T, file, test string) (list []string, found bool) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]*ast.FuncDecl{}
	for _, name := range names {
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && (f.Name.Name != test || name == filepath.FromSlash(file)) {
				bodies[f.Name.Name] = f
			}
		}
	}
	if bodies[test] == nil {
		return nil, false
	}
	seen := map[string]bool{}
	for todo := []string{test}; len(todo) > 0; todo = todo[1:] {
		f := bodies[todo[0]]
		if f == nil || seen[todo[0]] {
			continue
		}
		seen[todo[0]] = true
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				todo = append(todo, n.Name)
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					list = append(list, s)
				}
			}
			return true
		})
	}
	return list, true
}
