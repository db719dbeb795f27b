package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/belfry-social/belfry/plugins"
)

// Source is where a configuration comes from, weakest first: defaults, the file, the environment, flags.
type Source struct {
	File     string            // "" = config.yaml in the working directory, if it is there
	Environ  []string          // as os.Environ
	Flags    map[string]string // key ("storage.data") to value
	ReadFile func(name string) ([]byte, error)
	// Memory is what the process may use, in bytes; below FullMemory the defaults of caches are smaller. 0 = no limit.
	Memory int64
}

// Setting is one key with its value and where it came from, for `belfry config print`.
type Setting struct {
	Key    string
	Value  string // YAML; "***" for a secret
	Origin string // default, file:line, environment variable or flag
}

// DefaultFile is read from the working directory when no file is named.
const DefaultFile = "config.yaml"

// OriginDefault is the origin of a key that nobody set.
const OriginDefault = "default"

// ErrInvalid marks a configuration that cannot be used; the program ends with exit code 2.
var ErrInvalid = errors.New("configuration")

// Load reads a configuration strictly: an unknown key, a key given twice, a wrong type or a value out of bounds is a
// mistake. The error tells all mistakes, each with file, line and column, or the environment variable or flag.
func Load(src Source, factories []plugins.Factory) (*Config, []Setting, error) {
	l := loader{src: src, factories: factories, told: map[string]bool{}}
	if err := l.parse(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for {
		before := len(l.mistakes)
		cfg := l.pass()
		switch {
		case len(l.mistakes) > before:
		case before > 0:
			return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, l.all())
		default:
			return cfg, l.settings(cfg), nil
		}
	}
}

// loader reads in passes. A key with a mistake keeps its default in the next pass, so that a Validate that stops at its
// first error tells them all; the pass that finds nothing new is the last.
type loader struct {
	src       Source
	factories []plugins.Factory
	file      string
	root      ast.Node
	anchors   map[string]ast.Node

	mistakes []mistake
	told     map[string]bool // keys with a mistake

	// of one pass
	keys   map[string]bool     // all keys that hold a value
	places map[string]ast.Node // where the file has a value or names a section
	origin map[string]string   // of the keys that were given
	used   map[string]bool     // environment variables that named a key
	sized  map[string]bool     // caches whose default is smaller
}

func (l *loader) pass() *Config {
	l.keys, l.places = map[string]bool{}, map[string]ast.Node{}
	l.origin, l.used, l.sized = map[string]string{}, map[string]bool{}, map[string]bool{}
	cfg := Default()
	top := reflect.ValueOf(&cfg).Elem()
	found := l.top(children(top))
	for _, section := range children(top) {
		l.section(section.key, found[section.key], section.value)
	}
	l.channels(&cfg, found["channels"])
	cfg.Ignored = l.leftover()
	for _, err := range cfg.validateSections() {
		l.blame("", err)
	}
	if len(l.mistakes) == 0 { // a value that keeps its default would make these speak of what nobody wrote
		for _, err := range cfg.validateTogether(func(key string) bool { return l.origin[key] != "" }) {
			l.blame("", err)
		}
	}
	return &cfg
}

func (l *loader) parse() error {
	l.file = cmp.Or(l.src.File, DefaultFile)
	text, err := l.read(l.file)
	if errors.Is(err, os.ErrNotExist) && l.src.File == "" {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return l.unreadable(err)
	}
	if len(f.Docs) > 1 {
		return l.at(f.Docs[1].Start, errors.New("more than one document"))
	}
	if len(f.Docs) == 1 {
		l.root = f.Docs[0].Body
		l.anchors = anchors(l.root)
	}
	return nil
}

// read takes off the byte order mark that some editors put in front.
func (l *loader) read(name string) ([]byte, error) {
	text, err := l.src.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: is not UTF-8: save it in that encoding", name)
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), nil
}

// top finds the sections in the file.
func (l *loader) top(sections []field) map[string]ast.Node {
	found := map[string]ast.Node{}
	if l.root == nil || l.root.Type() == ast.NullType {
		return found
	}
	pairs, ok := l.mapping(l.root)
	if !ok {
		l.note("", l.root, "must be a mapping of sections")
	}
	known := append(names(sections), "channels")
	for _, kv := range pairs {
		name := keyOf(kv)
		if !slices.Contains(known, name) {
			l.note(name, kv.Key, fmt.Sprintf("unknown key %q%s", name, didYouMean(name, known)))
			continue
		}
		found[name], l.places[name] = kv.Value, kv.Key
	}
	return found
}

// section lays the file's part for it (nil = none), environment and flags over the keys of one section.
func (l *loader) section(key string, n ast.Node, v reflect.Value) {
	for _, f := range leaves(v, key) {
		l.keys[f.key] = true
		if slices.Contains(caches, f.key) && f.value.CanInt() {
			l.size(f)
		}
	}
	if n != nil {
		l.fill(key, n, v)
	}
	for _, f := range leaves(v, key) {
		name, value, given := l.environment(f.key)
		if v, ok := l.src.Flags[f.key]; ok {
			name, value, given = "flag", v, true
		}
		if !given || l.told[f.key] {
			continue
		}
		l.origin[f.key] = name
		if err := f.set(value); err != nil {
			l.note(f.key, nil, f.key+": "+err.Error())
		}
	}
}

// fill lays the file over one value: a section key by key, everything else as a whole.
func (l *loader) fill(key string, n ast.Node, v reflect.Value) {
	n = l.resolve(n)
	if n.Type() == ast.NullType || l.told[key] {
		return
	}
	if !isSection(v) {
		l.places[key] = n
		l.origin[key] = fmt.Sprintf("%s:%d", l.file, n.GetToken().Position.Line)
		l.leaf(field{key: key, value: v}, n)
		return
	}
	pairs, ok := l.mapping(n)
	if !ok {
		l.note(key, n, key+": must be a mapping of keys")
		return
	}
	known := children(v)
	for _, kv := range pairs {
		name := keyOf(kv)
		i := slices.IndexFunc(known, func(f field) bool { return f.key == name })
		if i < 0 {
			says := fmt.Sprintf("%s: unknown key %q%s", key, name, didYouMean(name, names(known)))
			l.note(key+"."+name, kv.Key, says)
			continue
		}
		l.places[key+"."+name] = kv.Key
		l.fill(key+"."+name, kv.Value, known[i].value)
	}
}

// leaf reads one value. What is wrong with items of a list is said of each.
func (l *loader) leaf(f field, n ast.Node) {
	var items []ast.Node
	if list, ok := n.(*ast.SequenceNode); ok && f.value.Kind() == reflect.Slice {
		items = list.Values
	}
	for i, n := range items {
		l.places[item(f.key, i)] = n
	}
	err := f.decode(n)
	if err == nil {
		return
	}
	for i, n := range items {
		one := field{key: item(f.key, i), value: reflect.New(f.value.Type().Elem()).Elem()}
		if wrong := one.decode(l.resolve(n)); wrong != nil {
			l.note(one.key, n, one.key+": "+wrong.Error())
		}
	}
	if !l.told[f.key] {
		l.note(f.key, n, f.key+": "+err.Error())
	}
}

// channels decodes the section "channels" with the factories. A factory without a section is taken with its
// defaults.
func (l *loader) channels(cfg *Config, node ast.Node) {
	seen := map[string]bool{}
	add := func(key string, n ast.Node, f plugins.Factory) {
		seen[f.Name()] = seen[f.Name()] || key == f.Name()
		settings, err := f.Decode(func(into any) error {
			l.section("channels."+key, n, reflect.ValueOf(into).Elem())
			return nil
		})
		if err != nil {
			l.blame("channels."+key, err)
			return
		}
		cfg.Channels = append(cfg.Channels, Channel{Key: key, Factory: f, Settings: settings, Enabled: enabled(settings)})
	}
	var known []string
	for _, f := range l.factories {
		known = append(known, f.Name())
	}
	slices.Sort(known)
	for _, kv := range l.channelSections(node) {
		key := keyOf(kv)
		i := slices.IndexFunc(l.factories, func(f plugins.Factory) bool { return f.Makes(key) })
		if i < 0 {
			kind, _, _ := strings.Cut(key, "/")
			l.note("channels."+key, kv.Key, fmt.Sprintf("unknown channel %q%s there are %s", key,
				cmp.Or(didYouMean(kind, known), ";"), strings.Join(known, ", ")))
			continue
		}
		l.places["channels."+key] = kv.Key
		add(key, kv.Value, l.factories[i])
	}
	for _, f := range l.factories {
		if !seen[f.Name()] {
			add(f.Name(), nil, f)
		}
	}
	slices.SortFunc(cfg.Channels, func(a, b Channel) int { return strings.Compare(a.Key, b.Key) })
}

func (l *loader) channelSections(node ast.Node) []*ast.MappingValueNode {
	if node == nil || node.Type() == ast.NullType {
		return nil
	}
	pairs, ok := l.mapping(node)
	if !ok {
		l.note("channels", node, "channels: must be a mapping of channels")
	}
	return pairs
}

func enabled(settings any) bool {
	for _, f := range children(reflect.ValueOf(settings).Elem()) {
		if f.key == "enabled" && f.value.Kind() == reflect.Bool {
			return f.value.Bool()
		}
	}
	return true
}

// settings lists every key in the order of config.yaml.
func (l *loader) settings(cfg *Config) []Setting {
	fields := leaves(reflect.ValueOf(cfg).Elem(), "")
	for _, c := range cfg.Channels {
		fields = append(fields, leaves(reflect.ValueOf(c.Settings).Elem(), "channels."+c.Key)...)
	}
	out := make([]Setting, 0, len(fields))
	for _, f := range fields {
		text, err := yaml.MarshalWithOptions(f.value.Interface(), yaml.Flow(true))
		if err != nil {
			text = []byte("?")
		}
		origin := cmp.Or(l.origin[f.key], OriginDefault)
		if origin == OriginDefault && l.sized[f.key] {
			origin += fmt.Sprintf(" for a memory limit of %d MiB", l.src.Memory>>20)
		}
		out = append(out, Setting{Key: f.key, Value: strings.TrimSpace(string(text)), Origin: origin})
	}
	return out
}
