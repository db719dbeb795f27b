package floor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Each message goes to every stream that is open, once and in order, in the form of a server's, and is answered.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ctx, end := context.WithCancel(t.Context())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- Serve(ctx, address, func() { close(listening) }) }()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	streams := make([]*bufio.Reader, 3)
	for i := range streams {
		resp, err := http.Get("http://" + address + "/v1/events?posts=all")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		streams[i] = bufio.NewReader(resp.Body)
		if got := block(t, streams[i]); !strings.HasPrefix(got, "id: 1-0\nevent: ready\n") {
			t.Errorf("the first event was %q", got)
		}
	}
	for n := 1; n <= 20; n++ {
		body := fmt.Sprintf(`{"text":"message %d"}`, n)
		resp, err := http.Post("http://"+address+"/v1/posts", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		reply, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		text := fmt.Sprintf(`"text":"message %d"`, n)
		if err != nil || resp.StatusCode != http.StatusCreated || !strings.Contains(string(reply), text) {
			t.Fatalf("%d: %v: %s", resp.StatusCode, err, reply)
		}
		for i, r := range streams {
			start := fmt.Sprintf("id: 1-%d\nevent: post.created\ndata: {", n)
			if got := block(t, r); !strings.HasPrefix(got, start) || !strings.Contains(got, text) {
				t.Fatalf("stream %d got %q for message %d", i, got, n)
			}
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// block reads up to an empty line.
func block(t *testing.T, r *bufio.Reader) (text string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\n" {
			return text
		}
		text += line
	}
}
