package app_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// edge is a line of bindings.go that has one module ask another.
var edge = regexp.MustCompile(`tie\(func\(s \*(\w+)\.Service, \w+ \*(\w+)\.Service\)`)

// TestQuestionsHaveOneDirection: no module is asked, directly or through others, by one that it asks.
func TestQuestionsHaveOneDirection(t *testing.T) {
	source, err := os.ReadFile("bindings.go")
	if err != nil {
		t.Fatal(err)
	}
	asks := map[string][]string{}
	for _, m := range edge.FindAllStringSubmatch(string(source), -1) {
		asks[m[1]] = append(asks[m[1]], m[2])
	}
	if len(asks) < 5 {
		t.Fatalf("only %d modules ask questions: %v", len(asks), asks)
	}
	if loop := loopIn(asks); loop != nil {
		t.Errorf("questions go round: %s", strings.Join(loop, " asks "))
	}
	asks["users"] = append(asks["users"], "posts")
	if loopIn(asks) == nil {
		t.Error("a loop is not seen")
	}
}

// loopIn gives a loop of a graph; nil = there is none.
func loopIn(asks map[string][]string) []string {
	done := map[string]bool{}
	var visit func(module string, way []string) []string
	visit = func(module string, way []string) []string {
		for i, on := range way {
			if on == module {
				return append(way[i:], module)
			}
		}
		if done[module] {
			return nil
		}
		for _, next := range asks[module] {
			if loop := visit(next, append(way[:len(way):len(way)], module)); loop != nil {
				return loop
			}
		}
		done[module] = true
		return nil
	}
	for module := range asks {
		if loop := visit(module, nil); loop != nil {
			return loop
		}
	}
	return nil
}
