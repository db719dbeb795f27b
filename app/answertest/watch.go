package answertest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app/server"
)

// maxFaults bounds how many faults one program reports: they come in crowds.
const maxFaults = 10

// Watch holds the answers of one program, over all its starts, against its document.
type Watch struct {
	// Fault takes each fault. It is called from the goroutines of requests.
	Fault func(text string)

	mu       sync.Mutex
	contract *Contract
	faults   int
}

// Part is the part of a program that is watched: it stands around everything that answers, the guard too. Streams leave
// the server's hands: whoever reads one gives its blocks to Block.
func (w *Watch) Part() fx.Option {
	return fx.Decorate(func(s *server.Server) *server.Server {
		w.mu.Lock()
		w.contract = nil // the parts may be others
		w.mu.Unlock()
		f := s.Fiber().Server()
		answer, refuse := f.Handler, f.ErrorHandler
		f.Handler = func(c *fasthttp.RequestCtx) {
			answer(c)
			w.look(c, answer)
		}
		f.ErrorHandler = func(c *fasthttp.RequestCtx, err error) {
			refuse(c, err)
			w.look(c, answer)
		}
		return s
	})
}

// look checks the answer in c.
func (w *Watch) look(c *fasthttp.RequestCtx, answer fasthttp.RequestHandler) {
	contract, err := w.read(answer)
	method, path, status := string(c.Method()), string(c.URI().PathOriginal()), c.Response.StatusCode()
	body := c.Response.Body()
	if status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified {
		body = nil // it is not sent
	}
	switch {
	case err != nil:
	case method == fasthttp.MethodOptions, c.Hijacked():
		return
	default:
		err = contract.Answer(method, path, status, string(c.Response.Header.ContentType()), body)
	}
	if err != nil {
		w.report(fmt.Sprintf("%s %s: %v", method, path, err))
	}
}

// Block checks a block of a stream of the program.
func (w *Watch) Block(event, data string) {
	w.mu.Lock()
	contract := w.contract
	w.mu.Unlock()
	if contract == nil {
		w.report("a stream came before any answer")
		return
	}
	if err := contract.Block(event, []byte(data)); err != nil {
		w.report(fmt.Sprintf("stream, block %s: %v", event, err))
	}
}

// read asks the program for its document, once it has answered something: all its routes are there then.
func (w *Watch) read(answer fasthttp.RequestHandler) (*Contract, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.contract == nil {
		var c fasthttp.RequestCtx
		c.Init(&fasthttp.Request{}, nil, nil)
		ask := "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
		if err := c.Request.Read(bufio.NewReader(strings.NewReader(ask))); err != nil {
			return nil, err
		}
		answer(&c)
		if status := c.Response.StatusCode(); status != fasthttp.StatusOK {
			return nil, fmt.Errorf("GET /openapi.json: status %d: %.300s", status, c.Response.Body())
		}
		var err error
		if w.contract, err = New(c.Response.Body()); err != nil {
			return nil, err
		}
	}
	return w.contract, nil
}

func (w *Watch) report(text string) {
	w.mu.Lock()
	w.faults++
	told := w.faults <= maxFaults
	w.mu.Unlock()
	if told {
		w.Fault(text)
	}
}

// ToFile is Part for a program in a process of its own: it appends its faults to a file, which Faults reads when the
// process has ended. Without a name it does nothing.
func ToFile(name string) fx.Option {
	if name == "" {
		return fx.Options()
	}
	w := &Watch{Fault: func(text string) {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			panic(err) // a fault that nobody hears of must not pass
		}
	}}
	return w.Part()
}

// Faults is what a program wrote with ToFile; "" = every answer was right.
func Faults(name string) (string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
