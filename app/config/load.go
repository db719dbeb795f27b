package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

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
}

// Setting is one key with its value and where it came from, for `belfry config print`.
type Setting struct {
	Key    string
	Value  string // YAML; "***" for a secret
	Origin string // default, file:line, environment variable or flag
}

// DefaultFile is read from the working directory when no file is named.
const DefaultFile = "config.yaml"

// ErrInvalid marks a configuration that cannot be used; the program ends with exit code 2.
var ErrInvalid = errors.New("configuration")

// Load reads a configuration strictly: an unknown key, a key given twice, a wrong type or a value out of bounds
// is an error that names file, line and column, or the environment variable or flag.
func Load(src Source, factories []plugins.Factory) (*Config, []Setting, error) {
	l := loader{src: src, factories: factories, origin: map[string]string{}, used: map[string]bool{}}
	cfg, err := l.load()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return cfg, l.settings(cfg), nil
}

type loader struct {
	src       Source
	factories []plugins.Factory
	file      string
	root      ast.Node
	origin    map[string]string
	used      map[string]bool // environment variables that named a key
}

func (l *loader) load() (*Config, error) {
	if err := l.parse(); err != nil {
		return nil, err
	}
	cfg := Default()
	if err := l.checkTop(); err != nil {
		return nil, err
	}
	for _, section := range children(reflect.ValueOf(&cfg).Elem()) {
		if err := l.fill(section.key, section.value.Addr().Interface()); err != nil {
			return nil, err
		}
	}
	if err := l.channels(&cfg); err != nil {
		return nil, err
	}
	if err := l.unknownEnvironment(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, l.located(err)
	}
	return &cfg, nil
}

func (l *loader) parse() error {
	l.file = cmp.Or(l.src.File, DefaultFile)
	text, err := l.src.ReadFile(l.file)
	if errors.Is(err, os.ErrNotExist) && l.src.File == "" {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return l.strict("", err)
	}
	if len(f.Docs) > 1 {
		return fmt.Errorf("%s: more than one document", l.file)
	}
	if len(f.Docs) == 1 {
		l.root = f.Docs[0].Body
	}
	return nil
}

func (l *loader) checkTop() error {
	known := append(children(reflect.ValueOf(Config{})), field{key: "channels"})
	for _, kv := range mapping(l.root) {
		name := kv.Key.String()
		if !slices.ContainsFunc(known, func(f field) bool { return f.key == name }) {
			return l.at(kv.Key, fmt.Errorf("unknown key %q", name))
		}
	}
	if l.root != nil && mapping(l.root) == nil && l.root.Type() != ast.NullType {
		return l.at(l.root, errors.New("must be a mapping of sections"))
	}
	return nil
}

// fill lays file, environment and flags over one section.
func (l *loader) fill(key string, into any) error {
	if node := l.find(key); node != nil && node.Type() != ast.NullType {
		for _, f := range leaves(reflect.ValueOf(into).Elem(), key) {
			n := l.find(f.key)
			if n == nil {
				continue
			}
			l.origin[f.key] = fmt.Sprintf("%s:%d", l.file, n.GetToken().Position.Line)
			if err := f.checkScalar(n); err != nil {
				return l.at(n, fmt.Errorf("%s: %w", f.key, err))
			}
		}
		if err := yaml.NodeToValue(node, into, yaml.Strict()); err != nil {
			return l.strict(key+": ", err)
		}
	}
	for _, f := range leaves(reflect.ValueOf(into).Elem(), key) {
		name, value, given, err := l.environment(f.key)
		if err != nil {
			return err
		}
		if v, ok := l.src.Flags[f.key]; ok {
			name, value, given = "flag", v, true
		}
		if !given {
			continue
		}
		if err := f.set(value); err != nil {
			return fmt.Errorf("%s: %s: %w", name, f.key, err)
		}
		l.origin[f.key] = name
	}
	return nil
}

// environment looks up BELFRY_<KEY>, or the file that BELFRY_<KEY>_FILE names.
func (l *loader) environment(key string) (name, value string, ok bool, err error) {
	name = "BELFRY_" + strings.ToUpper(strings.NewReplacer(".", "_", "/", "_").Replace(key))
	for _, kv := range l.src.Environ {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case name:
			l.used[k] = true
			value, ok = v, true
		case name + "_FILE":
			l.used[k] = true
			text, err := l.src.ReadFile(v)
			if err != nil {
				return k, "", false, fmt.Errorf("%s: %w", k, err)
			}
			return k, strings.TrimRight(string(text), "\r\n"), true, nil
		}
	}
	return name, value, ok, nil
}

func (l *loader) unknownEnvironment() error {
	for _, kv := range l.src.Environ {
		k, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "BELFRY_") && k != "BELFRY_CONFIG" && !l.used[k] {
			return fmt.Errorf("%s: no such key", k)
		}
	}
	return nil
}

// channels decodes the section "channels" with the factories. A factory without a section is taken with its
// defaults.
func (l *loader) channels(cfg *Config) error {
	seen := map[string]bool{}
	add := func(key string, f plugins.Factory) error {
		seen[f.Name()] = seen[f.Name()] || key == f.Name()
		settings, err := f.Decode(func(into any) error { return l.fill("channels."+key, into) })
		if err != nil {
			return l.located(prefixed("channels."+key, err))
		}
		cfg.Channels = append(cfg.Channels,
			Channel{Key: key, Factory: f, Settings: settings, Enabled: enabled(settings)})
		return nil
	}
	node := l.find("channels")
	if node != nil && mapping(node) == nil && node.Type() != ast.NullType {
		return l.at(node, errors.New("channels: must be a mapping of channels"))
	}
	for _, kv := range mapping(node) {
		key := kv.Key.String()
		i := slices.IndexFunc(l.factories, func(f plugins.Factory) bool { return f.Makes(key) })
		if i < 0 {
			return l.at(kv.Key, fmt.Errorf("unknown channel %q", key))
		}
		if err := add(key, l.factories[i]); err != nil {
			return err
		}
	}
	for _, f := range l.factories {
		if !seen[f.Name()] {
			if err := add(f.Name(), f); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(cfg.Channels, func(a, b Channel) int { return strings.Compare(a.Key, b.Key) })
	return nil
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
		out = append(out, Setting{Key: f.key, Value: strings.TrimSpace(string(text)),
			Origin: cmp.Or(l.origin[f.key], "default")})
	}
	return out
}

// find returns the value at a key path in the file, nil when absent. Channel keys hold no dots.
func (l *loader) find(key string) ast.Node {
	node := l.root
	for name := range strings.SplitSeq(key, ".") {
		pairs := mapping(node)
		i := slices.IndexFunc(pairs, func(kv *ast.MappingValueNode) bool { return kv.Key.String() == name })
		if i < 0 {
			return nil
		}
		node = pairs[i].Value
	}
	return node
}

// mapping returns the pairs of a mapping node, nil for anything else.
func mapping(n ast.Node) []*ast.MappingValueNode {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}
	default:
		return nil
	}
}
