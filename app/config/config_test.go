package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
			`belfry.yaml:3:3: server: unknown key "lissten", did you mean "listen"?`},
		"unknown key of a channel": {"channels:\n  sse:\n    heartbeet: 1s\n",
			`belfry.yaml:3:5: channels.sse: unknown key "heartbeet", did you mean "heartbeat"?`},
		"unknown channel": {"channels:\n  telegram:\n    enabled: true\n",
			`belfry.yaml:2:3: unknown channel "telegram"; there are logging, sse, webhook`},
		"nearly a channel": {"channels:\n  webhok/ops: {}\n",
			`belfry.yaml:2:3: unknown channel "webhok/ops", did you mean "webhook"? there are logging, sse, webhook`},
		"key twice":     {"server:\n  listen: a:1\n  listen: b:1\n", "belfry.yaml:3:3: "},
		"section twice": {"server:\n  listen: a:1\nserver:\n  listen: b:1\n", "belfry.yaml:3:1: "},
		"wrong type": {"server:\n  max_streams: many\n",
			"belfry.yaml:2:16: server.max_streams: must be a whole number such as 10"},
		"half a number": {"server:\n  max_streams: 1.5\n",
			"belfry.yaml:2:16: server.max_streams: must be a whole number such as 10"},
		"not true or false": {"limits: {enabled: maybe}\n", "belfry.yaml:1:19: limits.enabled: must be true or false"},
		"not a number": {"delivery: {jitter: much}\n",
			"belfry.yaml:1:20: delivery.jitter: must be a number such as 0.5"},
		"not text": {"log: {level: [info]}\n", "belfry.yaml:1:14: log.level: must be text"},
		"not a list": {"server:\n  cors_origins: {a: b}\n",
			"belfry.yaml:2:17: server.cors_origins: must be a list, and each item text"},
		"an item of a list": {"delivery: {schedule: [5s, soon]}\n",
			"belfry.yaml:1:27: delivery.schedule[1]: must be a duration such as 500ms, 10s, 5m or 1h30m"},
		"bad duration": {"server:\n  read_timeout: soon\n",
			"belfry.yaml:2:17: server.read_timeout: must be a duration such as 500ms, 10s, 5m or 1h30m"},
		"a duration without unit": {"server:\n  read_timeout: 10\n",
			"belfry.yaml:2:17: server.read_timeout: must be a duration such as"},
		"a duration without an end": {"storage: {log: {retention: {age: 2400000h}}}\nchannels: {sse: {max_age: 1000000h}}\n",
			"belfry.yaml:2:27: channels.sse.max_age: must be at most 350400h"},
		"bad size": {"storage:\n  log:\n    max_size: 3 bushels\n",
			"belfry.yaml:3:15: storage.log.max_size"},
		"out of bounds": {"storage:\n  log:\n    retention:\n      age: -1h\n",
			"belfry.yaml:4:12: storage.log.retention.age"},
		"out of bounds, channel": {"channels:\n  webhook:\n    timeout: 2h\n",
			"belfry.yaml:3:14: channels.webhook.timeout"},
		"not a mapping":      {"- a\n- b\n", "belfry.yaml:1:1"},
		"section is a list":  {"server: [1]\n", "server"},
		"channels is a list": {"channels: [sse]\n", "belfry.yaml:1:11: channels"},
		"not YAML":           {"server: [\n", "belfry.yaml"},
		"two documents":      {"---\nserver: {}\n---\nserver: {}\n", "belfry.yaml:3:1: more than one document"},
		"not UTF-8":          {"\xff\xfes\x00", "belfry.yaml: is not UTF-8"},
		"a log shorter than a stream": {"storage:\n  log:\n    retention:\n      age: 1h\n",
			"belfry.yaml:4:12: storage.log.retention.age: must be at least twice channels.sse.max_age, which is 1h0m0s"},
		"a stream longer than the log": {"channels: {sse: {max_age: 400h}}\n",
			"belfry.yaml:1:27: channels.sse.max_age: must be at most half of storage.log.retention.age, which is 720h0m0s"},
		"a log smaller than what it keeps": {"storage:\n  log:\n    max_size: 1GiB\n",
			"belfry.yaml:3:15: storage.log.max_size: must not be below storage.log.retention.bytes, which is 8GiB"},
		"http that is not loopback": {"server:\n  public_url: http://social.example\n",
			"belfry.yaml:2:15: server.public_url: "},
		"a key that is not there": {"# empty\nserver:\n  listen: 192.0.2.1:80\n", "belfry.yaml:2:1: server.public_url: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(tt.text, nil, nil)
			if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in a configuration error", err, tt.want)
			}
		})
	}
}

// TestConfigTellsAllMistakes, each once and in the order of the file; a Validate that stops at its first one too.
func TestConfigTellsAllMistakes(t *testing.T) {
	text := "serverr: {}\nserver:\n  listen: nowhere\n  max_streams: 0\n  read_timeout: soon\nlog: {levle: info}\n" +
		"channels:\n  sse:\n    heartbeat: 0s\n    tail_bytes: 1KiB\n  webhook: {timeout: 2h}\n  nothing: {}\n"
	_, _, err := load(text, []string{"BELFRY_POSTS_MAX_TEXT=0", "BELFRY_LIMITS_REED=1/1s"},
		map[string]string{"demo.people": "x"})
	want := `configuration: 
  BELFRY_LIMITS_REED: no such key, did you mean "BELFRY_LIMITS_READ"?
  BELFRY_POSTS_MAX_TEXT: posts.max_text: must be
  flag: demo.people: must be a whole number
  belfry.yaml:1:1: unknown key "serverr", did you mean "server"?
  belfry.yaml:3:11: server.listen: must be host:port
  belfry.yaml:4:16: server.max_streams: must be at least 1
  belfry.yaml:5:17: server.read_timeout: must be a duration
  belfry.yaml:6:7: log: unknown key "levle", did you mean "level"?
  belfry.yaml:9:16: channels.sse.heartbeat: must be positive
  belfry.yaml:10:17: channels.sse.tail_bytes: at least 4KiB
  belfry.yaml:11:22: channels.webhook.timeout: must be
  belfry.yaml:12:3: unknown channel "nothing"; there are logging, sse, webhook`
	got := strings.Split(err.Error(), "\n")
	slices.Sort(got[1:4]) // these have no place in the file
	sameLines(t, errors.New(strings.Join(got, "\n")), want)
}

// sameLines wants each line of an error to begin as it says.
func sameLines(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !slices.EqualFunc(strings.Split(err.Error(), "\n"), strings.Split(want, "\n"), strings.HasPrefix) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestConfigTellsEachItem: every bad item of a list is told at its own place, and the keys behind it too.
func TestConfigTellsEachItem(t *testing.T) {
	text := `server:
  trusted_proxies: [10.0.0.0/8, proxy, 1.2.3.4/99]
  allowed_hosts:
    - ok.example
    - "*.example"
    - a/b
  cors_origins:
    - https://ok.example
    - https://Bad.example
    - "*"
  max_streams: 0
admin: {allowed_hosts: [a b, c]}
delivery: {schedule: [-1s, soon, later, -5s]}
channels: {sse: {aliases: [sub, nothing, sub]}}
`
	_, _, err := load(text, nil, nil)
	want := `configuration: 
  belfry.yaml:2:33: server.trusted_proxies[1]: "proxy" is neither
  belfry.yaml:2:40: server.trusted_proxies[2]: "1.2.3.4/99" is neither
  belfry.yaml:5:7: server.allowed_hosts[1]: must be a host name
  belfry.yaml:6:7: server.allowed_hosts[2]: must be a host name
  belfry.yaml:9:7: server.cors_origins[1]: the form that browsers send is https://bad.example
  belfry.yaml:10:7: server.cors_origins[2]: * is refused
  belfry.yaml:11:16: server.max_streams: must be at least 1
  belfry.yaml:12:25: admin.allowed_hosts[0]: must be a host name
  belfry.yaml:13:28: delivery.schedule[1]: must be a duration
  belfry.yaml:13:34: delivery.schedule[2]: must be a duration
  belfry.yaml:14:33: channels.sse.aliases[1]: there is no "nothing"
  belfry.yaml:14:42: channels.sse.aliases[2]: "sub" stands there twice`
	sameLines(t, err, want)
	_, _, err = load("delivery: {schedule: [-1s, 1s, -5s]}\n", []string{"BELFRY_SERVER_ALLOWED_HOSTS=a/b, c/d"}, nil)
	sameLines(t, err, `configuration: 
  BELFRY_SERVER_ALLOWED_HOSTS: server.allowed_hosts[0]: must be
  BELFRY_SERVER_ALLOWED_HOSTS: server.allowed_hosts[1]: must be
  belfry.yaml:1:23: delivery.schedule[0]: must not be negative
  belfry.yaml:1:32: delivery.schedule[2]: must not be negative`)
}

// TestConfigPlainHTTP: names beyond loopback need https, or the key that says that it is wanted; told at their place.
func TestConfigPlainHTTP(t *testing.T) {
	_, _, err := load("server:\n  listen: 0.0.0.0:8080\n  allowed_hosts:\n    - localhost\n    - belfry.lan\n", nil, nil)
	sameLines(t, err, "configuration: belfry.yaml:5:7: server.allowed_hosts[1]: passwords would travel in the clear")
	for _, fine := range []string{"insecure_http: true", "public_url: https://social.example"} {
		text := "server: {listen: 0.0.0.0:8080, allowed_hosts: [belfry.lan], " + fine + "}\n"
		if _, _, err := load(text, nil, nil); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

// TestConfigByteOrderMark: editors on Windows put one in front; it is no part of the first key, nor of a secret.
func TestConfigByteOrderMark(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "age")
	if err := os.WriteFile(secret, []byte("\ufeff20m\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, list, err := load("\ufeffserver:\r\n  listen: 127.0.0.1:1111\r\n",
		[]string{"BELFRY_CHANNELS_SSE_MAX_AGE_FILE=" + secret}, nil)
	if err != nil || cfg.Server.Listen != "127.0.0.1:1111" {
		t.Fatalf("%v", err)
	}
	for _, s := range list {
		if s.Key == "channels.sse.max_age" && s.Value != "20m0s" {
			t.Errorf("%+v", s)
		}
	}
}

// TestConfigFitsTheMemory: where memory is short, the defaults of caches are smaller and say so; what somebody has set
// stays.
func TestConfigFitsTheMemory(t *testing.T) {
	for memory, want := range map[int64]string{
		0:         "64MiB from default",
		64 << 20:  "8MiB from default for a memory limit of 64 MiB",
		192 << 20: "32MiB from default for a memory limit of 192 MiB",
		1 << 20:   "4MiB from default for a memory limit of 1 MiB", config.FullMemory: "64MiB from default",
	} {
		cfg, list, err := config.Load(config.Source{File: "belfry.yaml", Memory: memory,
			ReadFile: func(string) ([]byte, error) { return []byte("follows: {cached_edges: 1000}\n"), nil }}, factories)
		if err != nil || cfg.Follows.CachedEdges != 1000 {
			t.Fatalf("%d: %v %+v", memory, err, cfg)
		}
		for _, s := range list {
			if got := s.Value + " from " + s.Origin; s.Key == "channels.sse.tail_bytes" && got != want {
				t.Errorf("%d: %s, want %s", memory, got, want)
			}
		}
	}
	cfg, _, err := config.Load(config.Source{Memory: 64 << 20, File: os.DevNull, ReadFile: os.ReadFile}, factories)
	if err != nil || cfg.Posts.CachedKeys != 1<<18 || cfg.Posts.CachedBytes != 2<<20 || cfg.Follows.CachedEdges != 1<<15 {
		t.Errorf("%v, posts %+v, follows %+v", err, cfg.Posts, cfg.Follows)
	}
}

// TestConfigInAPod: what Kubernetes puts into every pod is nobody's mistake; a wrong name that can only be ours is one.
func TestConfigInAPod(t *testing.T) {
	pod := []string{"BELFRY_PORT=tcp://10.0.0.1:80", "BELFRY_SERVICE_HOST=10.0.0.1", "BELFRY_SERVICE_PORT=80",
		"BELFRY_SERVICE_PORT_HTTP=80", "BELFRY_PORT_80_TCP=tcp://10.0.0.1:80", "BELFRY_PORT_80_TCP_PROTO=tcp",
		"BELFRY_PORT_80_TCP_PORT=80", "BELFRY_PORT_80_TCP_ADDR=10.0.0.1",
		// services named belfry-admin and belfry-server
		"BELFRY_ADMIN_PORT=tcp://10.0.0.2:8081", "BELFRY_ADMIN_SERVICE_HOST=10.0.0.2", "BELFRY_ADMIN_SERVICE_PORT=8081",
		"BELFRY_ADMIN_SERVICE_PORT_METRICS=8081", "BELFRY_ADMIN_PORT_8081_TCP_ADDR=10.0.0.2",
		"BELFRY_SERVER_PORT=udp://10.0.0.3:53", "BELFRY_SERVER_PORT_53_UDP=udp://10.0.0.3:53",
		// of a host application or an image
		"BELFRY_VERSION=1.2", "BELFRY_IMAGE=belfry:1", "BELFRY_CONFIG=x"}
	cfg, _, err := load("", append(pod, "BELFRY_SERVER_LISTEN=127.0.0.1:1111"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Server.Listen != "127.0.0.1:1111" || len(cfg.Ignored) != len(pod)-1 ||
		!slices.Contains(cfg.Ignored, "BELFRY_PORT") {
		t.Errorf("listens on %s, ignored %v", cfg.Server.Listen, cfg.Ignored)
	}
	for variable, want := range map[string]string{
		"BELFRY_SERVER_PORT=8080":   "BELFRY_SERVER_PORT: no such key",
		"BELFRY_STORAGE_PATH=/data": "BELFRY_STORAGE_PATH: no such key",
		"BELFRY_LOGLEVEL=debug":     `BELFRY_LOGLEVEL: no such key, did you mean "BELFRY_LOG_LEVEL"?`,
		"BELFRY_SERVR_LISTEN=x:1":   `BELFRY_SERVR_LISTEN: no such key, did you mean "BELFRY_SERVER_LISTEN"?`,
	} {
		if _, _, err := load("", []string{variable}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", variable, err, want)
		}
	}
}

// TestConfigOfAChannel: what a channel's own Validate says has a line, also of a key that is not there, and of none.
func TestConfigOfAChannel(t *testing.T) {
	for says, want := range map[string]string{
		"token: must be set": "belfry.yaml:2:3: channels.telegram.token: must be set",
		"needs a friend":     "belfry.yaml:2:3: channels.telegram: needs a friend",
	} {
		factory := plugins.Define("telegram", picky{says: says}, func(picky, plugins.Env) (plugins.Channel, error) {
			return nil, nil
		})
		_, _, err := config.Load(config.Source{File: "belfry.yaml", ReadFile: func(string) ([]byte, error) {
			return []byte("channels:\n  telegram: {enabled: true}\n"), nil
		}}, []plugins.Factory{factory})
		if err == nil || err.Error() != "configuration: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

type picky struct {
	Enabled bool   `yaml:"enabled"`
	Token   string `yaml:"token"`
	says    string
}

func (p picky) Validate() error { return errors.New(p.says) }

// TestConfigNames: a value with a name can be used again.
func TestConfigNames(t *testing.T) {
	cfg, _, err := load("channels:\n  sse: &a {heartbeat: &h 3s}\n  sse/b: *a\nserver: {read_timeout: *h}\n", nil, nil)
	if err != nil || cfg.Server.ReadTimeout != 3*time.Second || len(cfg.Channels) != 4 ||
		cfg.Channels[2].Settings.(*sse.Config).Heartbeat != 3*time.Second {
		t.Errorf("%v %+v", err, cfg)
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
			"BELFRY_SERVER_INSECURE_HTTP=true", "BELFRY_CHANNELS_SSE_MAX_AGE_FILE=" + secret, "HOME=/x"},
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
