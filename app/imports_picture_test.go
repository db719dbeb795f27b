package app_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/imports.md anew")

const pictureHead = `# Packages and what they may import

Drawn from the import law (` + "`app/imports_test.go`" + `) by its test:
` + "`go test ./app -run Imports -update`" + ` writes this page.

An arrow means: may import, directly or through what it points at. Left out are the kits (` + "`*test`" + `), and
arrows that a longer way says as well. A name with * stands for the packages named below it that
have no rule of their own.

`

// TestImportsPicture holds docs/imports.md to the law.
func TestImportsPicture(t *testing.T) {
	var names []string
	for _, p := range packages(t) {
		names = append(names, strings.TrimPrefix(p.ImportPath, root))
	}
	got := pictureHead + diagram(names) + table(names)
	const path = "../docs/imports.md"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the law says; go test ./app -run Imports -update, and look at the diff", path)
	}
}

// diagram is the law as a Mermaid flowchart.
func diagram(names []string) string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for i, r := range law {
		if drawn(r) {
			label := r.pkg
			if strings.HasSuffix(r.pkg, "/*") {
				label += "<br>" + strings.Join(covered(i, names), "<br>")
			}
			fmt.Fprintf(&b, "  r%d[\"%s\"]\n", i, label)
		}
	}
	for i, r := range law {
		for _, j := range targets(r) {
			longer := slices.ContainsFunc(targets(r), func(k int) bool { return k != j && reaches(k, j) })
			if drawn(r) && !longer {
				fmt.Fprintf(&b, "  r%d --> r%d\n", i, j)
			}
		}
	}
	return b.String() + "```\n\n"
}

// table is the law with all its words.
func table(names []string) string {
	var b strings.Builder
	b.WriteString("| package | may import, of ours | may import, of what is fenced |\n|---|---|---|\n")
	for i, r := range law {
		name := r.pkg
		if strings.HasSuffix(r.pkg, "/*") {
			name += " (" + strings.Join(covered(i, names), ", ") + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.Join(r.may, ", "), strings.Join(r.fence, ", "))
	}
	return strings.ReplaceAll(b.String(), "| * |", "| everything |")
}

// drawn leaves out kits, and what may import everything but for app itself.
func drawn(r rule) bool {
	return !strings.HasSuffix(r.pkg, "test") && (r.pkg == "app" || !slices.Contains(r.may, "*"))
}

// targets are the drawn rules whose packages r may import.
func targets(r rule) (list []int) {
	for i, other := range law {
		if other.pkg != r.pkg && drawn(other) && slices.ContainsFunc(r.may, func(p string) bool {
			return p == "*" || i == ruleOf(p) || p == other.pkg || matches(p, other.pkg)
		}) {
			list = append(list, i)
		}
	}
	return list
}

func reaches(from, to int) bool {
	return slices.ContainsFunc(targets(law[from]), func(k int) bool { return k == to || reaches(k, to) })
}

// covered are the packages that a rule decides on.
func covered(rule int, names []string) (list []string) {
	for _, name := range names {
		if ruleOf(name) == rule {
			list = append(list, name[strings.LastIndexByte(name, '/')+1:])
		}
	}
	return list
}
