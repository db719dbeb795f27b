package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/logging"
	"github.com/belfry-social/belfry/plugins/sse"
	"github.com/belfry-social/belfry/plugins/webhook"
)

var factories = []plugins.Factory{sse.Factory, logging.Factory, webhook.Factory}

// load reads a configuration from text instead of a file.
func load(text string, environ []string, flags map[string]string) (*config.Config, []config.Setting, error) {
	return config.Load(config.Source{File: "belfry.yaml", Environ: environ, Flags: flags,
		ReadFile: func(name string) ([]byte, error) {
			if name == "belfry.yaml" {
				return []byte(text), nil
			}
			return os.ReadFile(name)
		}}, factories)
}

// TestConfigFileIsTheDefaults: config.yaml names every key, and each at its default.
func TestConfigFileIsTheDefaults(t *testing.T) {
	shipped, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := load(string(shipped), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d keys with the file, %d without", len(got), len(want))
	}
	for i := range want {
		if got[i].Key != want[i].Key || got[i].Value != want[i].Value {
			t.Errorf("config.yaml has %s: %s, the default is %s: %s", got[i].Key, got[i].Value, want[i].Key, want[i].Value)
		}
		if !strings.HasPrefix(got[i].Origin, "belfry.yaml:") {
			t.Errorf("config.yaml does not name %s", want[i].Key)
		}
	}
	for n, line := range strings.Split(string(shipped), "\n") {
		if strings.Contains(line, "TODO") || strings.Contains(line, "\t") {
			t.Errorf("config.yaml:%d: %s", n+1, line)
		}
	}
}

func TestConfigIsStrict(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown section": {"serverr:\n  listen: x\n", `belfry.yaml:1:1: unknown key "serverr"`},
		"unknown key": {"server:\n  listen: 127.0.0.1:1\n  lissten: x\n",
			"belfry.yaml:3:3: server: unknown field"},
		"unknown key of a channel": {"channels:\n  sse:\n    heartbeet: 1s\n",
			"belfry.yaml:3:5: channels.sse: unknown field"},
		"unknown channel": {"channels:\n  telegram:\n    enabled: true\n",
			`belfry.yaml:2:3: unknown channel "telegram"`},
		"key twice":     {"server:\n  listen: a:1\n  listen: b:1\n", "belfry.yaml:3:3: "},
		"section twice": {"server:\n  listen: a:1\nserver:\n  listen: b:1\n", "belfry.yaml:3:1: "},
		"wrong type":    {"server:\n  max_streams: many\n", "belfry.yaml:2:16: server: "},
		"bad duration":  {"server:\n  read_timeout: soon\n", "belfry.yaml:2:17: server.read_timeout"},
		"bad size": {"storage:\n  log:\n    max_size: 3 bushels\n",
			"belfry.yaml:3:15: storage.log.max_size"},
		"out of bounds": {"storage:\n  log:\n    retention:\n      age: -1h\n",
			"belfry.yaml:4:12: storage.log.retention.age"},
		"out of bounds, channel": {"channels:\n  webhook:\n    timeout: 2h\n",
			"belfry.yaml:3:14: channels.webhook.timeout"},
		"not a mapping":               {"- a\n- b\n", "belfry.yaml:1:1"},
		"section is a list":           {"server: [1]\n", "server"},
		"channels is a list":          {"channels: [sse]\n", "belfry.yaml:1:11: channels"},
		"not YAML":                    {"server: [\n", "belfry.yaml"},
		"two documents":               {"---\nserver: {}\n---\nserver: {}\n", "more than one document"},
		"streams longer than the log": {"storage:\n  log:\n    retention:\n      age: 1h\n", "channels.sse.max_age"},
		"http that is not loopback":   {"server:\n  public_url: http://social.example\n", "server.public_url"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(tt.text, nil, nil)
			if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in a configuration error", err, tt.want)
			}
		})
	}
}

func TestConfigLayers(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "age")
	if err := os.WriteFile(secret, []byte("20m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "server:\n  listen: 127.0.0.1:1111\n  max_streams: 5\nchannels:\n  sse: {heartbeat: 3s}\n" +
		"  webhook/ops: {enabled: true, timeout: 2s}\n"
	cfg, list, err := load(text,
		[]string{"BELFRY_SERVER_LISTEN=127.0.0.1:2222", "BELFRY_SERVER_ALLOWED_HOSTS=a.example, b.example",
			"BELFRY_CHANNELS_SSE_MAX_AGE_FILE=" + secret, "HOME=/x"},
		map[string]string{"server.listen": "127.0.0.1:3333"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Server.Listen != "127.0.0.1:3333" || cfg.Server.MaxStreams != 5 || strings.Join(cfg.Server.AllowedHosts,
		" ") != "a.example b.example" {
		t.Errorf("server: %+v", cfg.Server)
	}
	origins := map[string]string{}
	for _, s := range list {
		origins[s.Key] = s.Value + " from " + s.Origin
	}
	for key, want := range map[string]string{
		"server.listen": `"127.0.0.1:3333" from flag`, "server.max_streams": "5 from belfry.yaml:3",
		"server.allowed_hosts":   "[a.example, b.example] from BELFRY_SERVER_ALLOWED_HOSTS",
		"channels.sse.max_age":   "20m0s from BELFRY_CHANNELS_SSE_MAX_AGE_FILE",
		"channels.sse.heartbeat": "3s from belfry.yaml:5", "channels.webhook/ops.timeout": "2s from belfry.yaml:6",
		"channels.webhook.timeout": "15s from default", "limits.read": "600/1m from default",
	} {
		if origins[key] != want {
			t.Errorf("%s: %q, want %q", key, origins[key], want)
		}
	}
	for _, env := range []string{"BELFRY_SERVER_LISSTEN=x", "BELFRY_SERVER_MAX_STREAMS=many",
		"BELFRY_SERVER_READ_TIMEOUT_FILE=/does/not/exist"} {
		_, _, err := load("", []string{env}, nil)
		name, _, _ := strings.Cut(env, "=")
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", env, err)
		}
	}
}

// TestConfigMasksSecrets: a key of type Secret reaches its channel and is shown nowhere.
func TestConfigMasksSecrets(t *testing.T) {
	type settings struct {
		Enabled bool          `yaml:"enabled"`
		Token   social.Secret `yaml:"token"`
	}
	factory := plugins.Define("telegram", settings{}, func(settings, plugins.Env) (plugins.Channel, error) {
		return nil,
			nil
	})
	cfg, list, err := config.Load(config.Source{Environ: []string{"BELFRY_CHANNELS_TELEGRAM_TOKEN=hunter2"},
		ReadFile: os.ReadFile, File: os.DevNull}, []plugins.Factory{factory})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Channels[0].Settings.(*settings).Token.Reveal(); got != "hunter2" {
		t.Errorf("the channel got the token %q", got)
	}
	for _, s := range list {
		if strings.Contains(s.Value, "hunter2") {
			t.Errorf("%s is shown as %s", s.Key, s.Value)
		}
		if s.Key == "channels.telegram.token" && !strings.Contains(s.Value, "***") {
			t.Errorf("a secret that is set is shown as %s", s.Value)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("server:\n  listen: a:1\n")
	f.Add("channels: {sse: {heartbeat: 1s}}\n")
	f.Add("&a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, _, err := load(text, nil, nil)
		if (cfg == nil) == (err == nil) {
			t.Errorf("neither a configuration nor an error, or both")
		}
	})
}
