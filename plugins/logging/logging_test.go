package logging_test

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/channeltest"
	"github.com/belfry-social/belfry/plugins/logging"
)

func TestContract(t *testing.T) { channeltest.Run(t, logging.Factory, nil) }

func TestOneLineForEachEvent(t *testing.T) {
	core, lines := observer.New(zapcore.DebugLevel)
	c, err := logging.Factory.Build(nil, plugins.Env{Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	c.(plugins.Listener).Publish([]social.Event{
		{Cursor: social.Cursor{Epoch: 1, Seq: 7}, Type: "notification", Stream: social.Stream{Kind: social.To},
			About: []social.ID{{5}}, Data: []byte(`{"text":"secret"}`)},
		{Cursor: social.Cursor{Epoch: 1, Seq: 8}, Type: "audience.changed", Stream: social.Stream{Kind: social.To},
			Internal: true},
	})
	all := lines.All()
	if len(all) != 2 {
		t.Fatalf("%d lines for 2 events", len(all))
	}
	if all[0].Level != zapcore.InfoLevel || all[0].ContextMap()["id"] != "1-7" ||
		all[0].ContextMap()["type"] != "notification" {
		t.Errorf("line of the event: %v %v", all[0].Level, all[0].ContextMap())
	}
	if all[1].Level != zapcore.DebugLevel {
		t.Errorf("a control entry was written at %v, want debug", all[1].Level)
	}
}

func TestLevelIsChecked(t *testing.T) {
	for _, level := range []string{"error", "loud", "fatal"} {
		if _, err := logging.Factory.Build([]byte("level: "+level), plugins.Env{Log: zap.NewNop()}); err == nil {
			t.Errorf("level %q was accepted", level)
		}
	}
}
