package sse_test

import (
	"testing"

	"github.com/belfry-social/belfry/plugins/channeltest"
	"github.com/belfry-social/belfry/plugins/sse"
)

func TestContract(t *testing.T) {
	channeltest.Run(t, sse.Factory, nil)
	channeltest.Run(t, sse.Factory, []byte("aliases: [connect, sub, alarm]\nholder: goroutine\n"))
}
