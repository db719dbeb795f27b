package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// uploadForm is that of the test's own operation.
var uploadForm = social.UploadForm{File: "file", MaxBytes: 1 << 20, AtOnce: 3, PerPerson: 2,
	Fields: map[string]social.UploadField{"alt": {Max: 100}, "focus": {Max: 20}}}

// uploads is what receiveUpload does beside answering; zero = nothing.
var uploads struct {
	arrived atomic.Int64
	hold    atomic.Pointer[chan struct{}]
}

// kept are the files that receiveUpload has not closed.
var kept struct {
	mu    sync.Mutex
	on    bool
	files []social.UploadFile
}

// receiveUpload tells what has arrived.
func receiveUpload(ctx context.Context, _ *struct{}) (*noteOutput, error) {
	u := social.UploadFrom(ctx)
	content, err := io.ReadAll(u.File)
	if err != nil {
		return nil, err
	}
	uploads.arrived.Add(1)
	kept.mu.Lock()
	if kept.on {
		u.File.Keep()
		kept.files = append(kept.files, u.File)
	}
	kept.mu.Unlock()
	if hold := uploads.hold.Load(); hold != nil {
		<-*hold
	}
	return &noteOutput{Body: echo{Raw: fmt.Sprintf("%d %.20q %v", u.Size, content, u.Fields)}}, nil
}

// uploadSite is a site with an operation that takes a form.
func uploadSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.Register(func(api huma.API) {
		huma.Register(api, huma.Operation{OperationID: "upload", Method: "POST", Path: "/v1/upload",
			Metadata: map[string]any{social.MetaAuth: social.AuthSession, social.MetaUpload: uploadForm}}, receiveUpload)
	})
	return s
}

const boundary = "0123456789abcdef"

// part is a part of a form; a name with a dot makes it a file.
func part(name, content string) string {
	if name, found := strings.CutSuffix(name, "."); found {
		return part(name+`"; filename="x.png`, content)
	}
	return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n"
}

const formEnd = "--" + boundary + "--\r\n"

// uploadHead is the head of an upload with more header lines.
func uploadHead(lines ...string) string {
	return "POST /v1/upload HTTP/1.1\r\nHost: social.example\r\nContent-Type: multipart/form-data; boundary=" + boundary +
		"\r\n" + strings.Join(append(lines, "", ""), "\r\n")
}

const signedIn = "Cookie: __Host-belfry=good"

func length(n int) string { return fmt.Sprintf("Content-Length: %d", n) }

func TestUploadForm(t *testing.T) {
	s := uploadSite(t)
	address := s.serve()
	for name, tt := range map[string]struct {
		form   string
		status int
		says   string
	}{
		"a file": {part("file.", "content") + formEnd, 200, `7 \"content\" map[]`},
		"with fields": {part("alt", "e\u0301") + part("file.", "c") + part("focus", "0,1") + formEnd,
			200, `map[alt:é focus:0,1]`},
		"no file":   {part("alt", "x") + formEnd, 422, `"pointer":"/file","code":"required"`},
		"two files": {part("file.", "a") + part("file.", "b") + formEnd, 422, `"pointer":"/file","code":"duplicate"`},
		"a field twice": {part("alt", "a") + part("file.", "b") + part("alt", "c") + formEnd,
			422, `"/alt","code":"duplicate"`},
		"an unknown part": {part("is_admin", "1") + part("file.", "b") + formEnd, 422, `"/is_admin","code":"unknown_field"`},
		"a long field": {part("alt", strings.Repeat("a", 101)) + part("file.", "b") + formEnd,
			422, `"/alt","code":"too_long"`},
		"a field of no text": {part("alt", "\xff") + part("file.", "b") + formEnd,
			422, `"/alt","code":"bad_format"`},
		"a control": {part("alt", "a\x00b") + part("file.", "b") + formEnd,
			422, `"/alt","code":"bad_format"`},
		"cut off":            {part("file.", "content"), 400, "breaks off"},
		"no form":            {"hello", 422, `"pointer":"/file","code":"required"`},
		"too many parts":     {strings.Repeat(part("alt", ""), 20) + formEnd, 400, "too many parts"},
		"a head without end": {"--" + boundary + "\r\nX: " + strings.Repeat("x", 200_000), 400, "too long"},
		"a file too long":    {part("file.", strings.Repeat("x", 1<<20+1)) + formEnd, 413, "body_too_large"},
		"the longest file":   {part("file.", strings.Repeat("x", 1<<20)) + formEnd, 200, "1048576"},
		"after the end":      {part("file.", "a") + formEnd + "what is this?", 200, "1 "},
	} {
		t.Run(name, func(t *testing.T) {
			a, closed := raw(t, address, uploadHead(signedIn, length(len(tt.form)))+tt.form)
			if a.StatusCode != tt.status || !strings.Contains(a.body, tt.says) || !closed {
				t.Errorf("%d %s (closed %v), want %d with %s", a.StatusCode, a.body, closed, tt.status, tt.says)
			}
			chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(tt.form), tt.form)
			if b, _ := raw(t, address, uploadHead(signedIn, "Transfer-Encoding: chunked")+chunked); b.StatusCode != tt.status {
				t.Errorf("chunked: %d %s", b.StatusCode, b.body)
			}
		})
	}
	checkSpool(t, s)
}

// checkSpool: nothing that arrived is left on disk.
func checkSpool(t *testing.T, s *site) {
	t.Helper()
	names, err := s.Spooled()
	if err != nil || len(names) > 0 {
		t.Errorf("kept are %v (%v)", names, err)
	}
}

// TestUploadRefusedUnread: what must not come in is answered before its body is there, and costs no memory.
func TestUploadRefusedUnread(t *testing.T) {
	s := uploadSite(t)
	address := s.serve()
	for name, tt := range map[string]struct {
		head   string
		status int
	}{
		"nobody":         {uploadHead(length(1 << 20)), 401},
		"too long":       {uploadHead(signedIn, length(1<<30)), 413},
		"too long, asks": {uploadHead(signedIn, length(1<<30), "Expect: 100-continue"), 413},
		"another type": {strings.Replace(uploadHead(signedIn, length(1<<20)), "multipart/form-data", "text/plain", 1),
			415},
		"compressed": {uploadHead(signedIn, length(1<<20), "Content-Encoding: gzip"), 415},
		"an unknown query": {strings.Replace(uploadHead(signedIn, length(1<<20)), "/v1/upload", "/v1/upload?x=1", 1),
			422},
		"two lengths":  {uploadHead(signedIn, length(7), length(8)), 400},
		"two framings": {uploadHead(signedIn, length(7), "Transfer-Encoding: chunked"), 400},
		"another host": {strings.Replace(uploadHead(signedIn, length(1<<20)), "social.example", "evil.example", 1),
			400},
		"another site": {uploadHead(signedIn, length(1<<20), "Sec-Fetch-Site: cross-site"), 403},
	} {
		t.Run(name, func(t *testing.T) {
			a, closed := raw(t, address, tt.head)
			if a.StatusCode != tt.status || !closed {
				t.Errorf("%d %s (closed %v), want %d", a.StatusCode, a.body, closed, tt.status)
			}
		})
	}
	a, _ := raw(t, address, strings.Replace(uploadHead(signedIn, length(100_000)), "/v1/upload", "/v1/%75pload", 1)+
		strings.Repeat("x", 100_000))
	if a.StatusCode != 413 {
		t.Errorf("by another way to write the path: %d %s", a.StatusCode, a.body)
	}
	form := part("file.", "content") + formEnd
	a, _ = raw(t, address, strings.Replace(uploadHead(signedIn, length(len(form))), "/v1/upload", "/v1/%75pload", 1)+form)
	if a.StatusCode != 200 || !strings.Contains(a.body, "content") {
		t.Errorf("a small one by another way to write the path: %d %s", a.StatusCode, a.body)
	}
}

// TestUploadAsks: whoever asks first is told to go on, and goes on.
func TestUploadAsks(t *testing.T) {
	s := uploadSite(t)
	c, err := dial(s.serve())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	form := part("file.", "content") + formEnd
	if _, err := io.WriteString(c, uploadHead(signedIn, length(len(form)), "Expect: 100-continue")); err != nil {
		t.Fatal(err)
	}
	told := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, told); err != nil || !bytes.Contains(told, []byte("100 Continue")) {
		t.Fatalf("%q, %v", told, err)
	}
	if _, err := io.WriteString(c, form); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(c)
	if err != nil || !bytes.HasPrefix(rest, []byte("HTTP/1.1 200 OK")) || !bytes.Contains(rest, []byte("content")) {
		t.Errorf("%s, %v", rest, err)
	}
}

// TestUploadsCut: uploads that break off half way leave no file and hold no place (H41).
func TestUploadsCut(t *testing.T) {
	s := uploadSite(t)
	address := s.serve()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const most = 1<<20 - 1<<16 // beside what TLS takes for each connection, at both ends
	half := []byte(uploadHead(signedIn, length(1<<20)) + part("file.", strings.Repeat("x", 1<<20))[:most])
	for range 100 {
		c, err := dial(address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(half); err != nil {
			t.Fatal(err)
		}
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
		_, _ = io.Copy(io.Discard, c) // until it is refused
		_ = c.Close()
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / 100; took > most {
		t.Errorf("%d bytes of memory for each, which is as much as was sent", took)
	}
	checkSpool(t, s)
	form := part("file.", "content") + formEnd
	if a, _ := raw(t, address, uploadHead(signedIn, length(len(form)))+form); a.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", a.StatusCode, a.body)
	}
}

// TestUploadsAtOnce: beyond a person's share an upload is told to come back, and the shutdown waits for those under
// way.
func TestUploadsAtOnce(t *testing.T) {
	s := uploadSite(t)
	address := s.serve()
	hold := make(chan struct{})
	uploads.arrived.Store(0)
	uploads.hold.Store(&hold)
	defer uploads.hold.Store(nil)
	form := part("file.", "content") + formEnd
	request := uploadHead(signedIn, length(len(form))) + form
	var all sync.WaitGroup
	for range uploadForm.PerPerson {
		all.Go(func() {
			if a, _ := raw(t, address, request); a.StatusCode != 200 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	for uploads.arrived.Load() < int64(uploadForm.PerPerson) {
		runtime.Gosched()
	}
	if a, _ := raw(t, address, request); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d %s", a.StatusCode, a.body)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	close(hold)
	all.Wait()
	if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("shut down: %v", err)
	}
}

// TestUploadKept: what is kept beyond its answer keeps its slot, until it is closed.
func TestUploadKept(t *testing.T) {
	s := uploadSite(t)
	address := s.serve()
	kept.on = true
	defer func() { kept.on, kept.files = false, nil }()
	form := part("file.", "content") + formEnd
	request := uploadHead(signedIn, length(len(form))) + form
	for range uploadForm.PerPerson {
		if a, _ := raw(t, address, request); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if a, _ := raw(t, address, request); a.StatusCode != 503 {
		t.Errorf("one more: %d %s", a.StatusCode, a.body)
	}
	if err := kept.files[0].Close(); err != nil {
		t.Error(err)
	}
	if a, _ := raw(t, address, request); a.StatusCode != 200 {
		t.Errorf("after one is closed: %d %s", a.StatusCode, a.body)
	}
}

// TestUploadOutlives: who has signed out while the form came is refused.
func TestUploadOutlives(t *testing.T) {
	s := uploadSite(t)
	address := s.serve()
	form := part("file.", "content") + formEnd
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, uploadHead(signedIn, length(len(form)), "Expect: 100-continue")); err != nil {
		t.Fatal(err)
	}
	told := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, told); err != nil { // so the head has been judged
		t.Fatal(err)
	}
	s.auth.forget(social.Credentials{Cookie: "good"})
	if _, err := io.WriteString(c, form); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(c)
	if err != nil || !bytes.HasPrefix(rest, []byte("HTTP/1.1 401")) {
		t.Errorf("%s, %v", rest, err)
	}
	checkSpool(t, s)
}
