package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/modules/social"
)

// pages are the documents whose commands are run. Their fenced blocks are of these kinds:
//
//	sh        pasted into a shell, page by page in order; so are the commands in the first column of a table
//	text      what the last sh block shows: each line in this order, … for anything, ids and addresses by their shape
//	go        a file of a program, saved under the name ending in .go that the page said last
//	yaml      a configuration; scrape_configs are Prometheus'
//	ini       a unit of systemd
//	nginx     a server of nginx
//	another   has to be in leftOut
var pages = []string{"README.md", "docs/operations.md", "docs/writing-a-channel.md", "docs/quickstart-web.md",
	"docs/performance.md", "docs/ARCHITECTURE.md", "docs/imports.md", "docs/asvs.md", ".github/SECURITY.md"}

// leftOut are the blocks and the commands in them that are not run, by how they begin, with the reason.
var leftOut = map[string]string{
	"git clone https://github.com/belfry-social/belfry": "the clone is a directory of links to this one",

	"social.example {": "Caddy is not among the tools of the tests",
	"flowchart TD":     "a picture, drawn by TestImportsPicture",
	"<!doctype html>":  "driven in a browser by TestQuickstart",
	`const events = new EventSource("/v1/events");`: "run in a browser by TestReadmePage",

	"POST /v1/posts ── one transaction":     "a picture",
	"app/                 the only package": "a tree",
}

// isLeftOut gives the name in leftOut of a block or a command; "" = it is run.
func isLeftOut(text string) string {
	for name := range leftOut {
		if strings.HasPrefix(text, name) {
			return name
		}
	}
	return ""
}

// fenced is a block of a page.
type fenced struct {
	line       int
	kind, text string
	file       string // of a go block
}

var (
	inlineCode = regexp.MustCompile("`([^`]+)`")
	tabled     = regexp.MustCompile("^\\| `(belfry [^`]+)` \\|")
)

// readPage gives the blocks of a page and the code in its prose.
func readPage(t *testing.T, page string) (blocks []fenced, inline []string) {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	var prose []string
	var open *fenced
	last := ""
	for i, line := range strings.Split(string(text), "\n") {
		kind, fence := strings.CutPrefix(line, "```")
		row := tabled.FindStringSubmatch(line)
		switch {
		case fence && open == nil:
			open = &fenced{line: i + 1, kind: kind}
			for _, m := range regexp.MustCompile("`([a-z_/]+\\.go)`").FindAllStringSubmatch(strings.Join(prose, "\n"), -1) {
				open.file = m[1]
			}
		case fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line + "\n"
		case row != nil && last != "":
			blocks[len(blocks)-1].text += row[1] + "\n"
		case row != nil:
			blocks = append(blocks, fenced{line: i + 1, kind: "sh", text: row[1] + "\n"})
		default:
			prose = append(prose, line)
		}
		last = strings.Join(row, "")
	}
	for _, m := range inlineCode.FindAllStringSubmatch(strings.Join(prose, " "), -1) {
		inline = append(inline, m[1])
	}
	return blocks, inline
}

// TestDocsBlocks: each block of a page is of a kind that is run, or is left out for a reason; none is left out that is
// not there. What is pasted has no comment: zsh takes # for a word there.
func TestDocsBlocks(t *testing.T) {
	seen := map[string]bool{}
	for _, page := range pages {
		blocks, _ := readPage(t, page)
		shown := true // whether a sh block was there to which a text block belongs
		for i, b := range blocks {
			where := func(what string) { t.Errorf("%s:%d: %s", page, b.line, what) }
			seen[isLeftOut(b.text)] = true
			switch {
			case b.kind == "sh":
				checkShell(t, page, b, seen)
				shown = false
				typed := commands(b.text)
				if endless.MatchString(typed[len(typed)-1]) && (i+1 == len(blocks) || blocks[i+1].kind != "text") {
					where("what ends by Ctrl-C alone needs a block that tells what it shows")
				}
			case isLeftOut(b.text) != "":
			case b.kind == "text":
				if shown {
					where("there is no command that shows this")
				}
				shown = true
			case b.kind == "go" && b.file == "":
				where("the page does not say how the file is called")
			case !slices.Contains([]string{"go", "yaml", "ini", "nginx"}, b.kind):
				where("a block of the kind " + b.kind + " is neither run nor left out for a reason")
			}
		}
	}
	for name, reason := range leftOut {
		if !seen[name] {
			t.Errorf("no page has %q, which is left out because it is %s", name, reason)
		}
	}
}

func checkShell(t *testing.T, page string, b fenced, seen map[string]bool) {
	t.Helper()
	quoted := regexp.MustCompile(`'[^']*'|"(\\.|[^"])*"`)
	for _, command := range commands(b.text) {
		seen[isLeftOut(command)] = true
		if regexp.MustCompile(`(^|\s)#`).MatchString(quoted.ReplaceAllString(command, "")) {
			t.Errorf("%s:%d: zsh does not know a comment in what is typed: %s", page, b.line, command)
		}
	}
}

// commands are the lines of a block, those that end in a backslash with the next.
func commands(text string) []string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\\\n", "\\\x00")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "\x00", "\n")
	}
	return lines
}

// TestDocsColumns: no line of a page is too long for half a screen, but rows of tables.
func TestDocsColumns(t *testing.T) {
	for _, page := range pages {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if utf8.RuneCountInString(line) > 120 && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d has more than 120 columns", page, i+1)
			}
		}
	}
}

// TestDocsConfiguration: each piece of configuration in the pages is one that the program takes.
func TestDocsConfiguration(t *testing.T) {
	for _, page := range pages {
		blocks, _ := readPage(t, page)
		for _, b := range blocks {
			if b.kind != "yaml" {
				continue
			}
			var prometheus struct {
				Scrape []struct {
					Job     string                       `yaml:"job_name"`
					Targets []struct{ Targets []string } `yaml:"static_configs"`
				} `yaml:"scrape_configs"`
			}
			if strings.HasPrefix(b.text, "scrape_configs:") {
				err := yaml.UnmarshalWithOptions([]byte(b.text), &prometheus, yaml.Strict())
				if admin := config.Default().Admin.Listen; err != nil || prometheus.Scrape[0].Targets[0].Targets[0] != admin {
					t.Errorf("%s:%d: Prometheus would scrape %+v, %v; the listener is %s", page, b.line, prometheus, err, admin)
				}
				continue
			}
			file := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, _, errs := belfry("config", "check", "--config", file); code != 0 {
				t.Errorf("%s:%d: %s", page, b.line, errs)
			}
		}
	}
}

// TestDocsInline: what the prose names is there: commands with their flags, flags, targets of make, routes, ids.
func TestDocsInline(t *testing.T) {
	s := startSite(t, nil)
	var document struct {
		Paths map[string]map[string]any
	}
	s.anonymous().want(200, "GET", "/openapi.json", nil, &document)
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	flags := allFlags(t)
	for _, page := range pages {
		_, inline := readPage(t, page)
		for _, code := range inline {
			words := strings.Fields(code)
			word := strings.TrimPrefix(words[0], "./bin/")
			method, path, _ := strings.Cut(code, " /v1/")
			path, _, _ = strings.Cut("/v1/"+path, "?")
			switch {
			case word == "belfry":
				checkCommand(t, page, words[1:])
			case len(words) > 1 && strings.HasPrefix(words[1], "-") && slices.Contains(scenarios(), words[0]):
				checkCommand(t, page, append([]string{"bench"}, words...))
			case word == "make" && !regexp.MustCompile("(?m)^"+words[1]+":").Match(makefile):
				t.Errorf("%s names %s, which the Makefile does not have", page, code)
			case strings.HasPrefix(word, "--") && !slices.Contains(flags, strings.TrimLeft(word, "-")):
				t.Errorf("%s names the flag %s, which no command has", page, code)
			case regexp.MustCompile("^(GET|PUT|POST|PATCH|DELETE)$").MatchString(method):
				if document.Paths[path][strings.ToLower(method)] == nil {
					t.Errorf("%s names %s, which the document does not have", page, code)
				}
			case regexp.MustCompile(`^\d+-\d+$`).MatchString(code):
				if _, err := social.ParseCursor(code); err != nil {
					t.Errorf("%s has the id %s: %v", page, code, err)
				}
			}
		}
	}
}

var flagLine = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--?([a-z-]+)`)

// checkCommand: the command is there and has the flags named; values and arguments are not judged.
func checkCommand(t *testing.T, page string, words []string) {
	t.Helper()
	var path []string
	for _, w := range words {
		if !regexp.MustCompile("^[a-z][a-z-]*$").MatchString(w) {
			break
		}
		path = append(path, w)
	}
	code, out, errs := belfry(append(slices.Clone(path), "--help")...)
	if len(path) == 0 || path[0] != "bench" { // the load tool refuses what it does not know
		usage := regexp.MustCompile(`(?m)^  belfry((?: [a-z][a-z-]*)*)`).FindStringSubmatch(out)
		named := strings.Fields(usage[1])
		group := strings.Contains(out, "Available Commands:")
		if len(named) > len(path) || !slices.Equal(named, path[:len(named)]) || group && len(path) > len(named) {
			code, errs = 1, "there is no such command"
		}
	}
	if code != 0 {
		t.Errorf("%s names belfry %s: %s", page, strings.Join(words, " "), errs)
		return
	}
	known := flagLine.FindAllStringSubmatch(out, -1)
	for _, w := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if strings.HasPrefix(w, "-") && w != "-" &&
			!slices.ContainsFunc(known, func(m []string) bool { return m[1] == name }) {
			t.Errorf("%s names belfry %s, which has no flag %s", page, strings.Join(words, " "), w)
		}
	}
}

// scenarios are the names of the load tool.
func scenarios() []string {
	_, out, _ := belfry("bench")
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	return names
}

// allFlags are the flags of all commands.
func allFlags(t *testing.T) (names []string) {
	t.Helper()
	var look func(path ...string)
	look = func(path ...string) {
		out := mustBelfry(t, append(slices.Clone(path), "--help")...)
		for _, m := range flagLine.FindAllStringSubmatch(out, -1) {
			names = append(names, m[1])
		}
		_, sub, _ := strings.Cut(out, "Available Commands:\n")
		sub, _, _ = strings.Cut(sub, "\n\n")
		for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(sub, -1) {
			if m[1] != "help" && m[1] != "completion" && m[1] != "bench" {
				look(append(slices.Clone(path), m[1])...)
			}
		}
	}
	look()
	for _, name := range scenarios() {
		if name != "all" {
			look("bench", name)
		}
	}
	return names
}

// endless is a command that a person ends with Ctrl-C.
var endless = regexp.MustCompile(`(^curl -sN .*[^&]$|\bbelfry tail )`)
