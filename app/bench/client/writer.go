package client

import (
	"net/http"
	"time"
)

// Writer publishes marked messages, one at a time.
type Writer struct {
	*Caller
	ledger  *Ledger
	Answers Histogram // from the request being sent to its answer
	Checked Checked
	body    []byte
}

// NewWriter makes a writer at host:port whose messages a ledger awaits.
func NewWriter(address string, l *Ledger) *Writer {
	return &Writer{Caller: NewCaller(address), ledger: l}
}

// Post publishes message n by author.
func (w *Writer) Post(author Person, n, reader, size int) {
	w.body = append(w.body[:0], `{"text":"`...)
	w.body = append(AppendText(w.body, n, reader, size), `"}`...)
	w.send("/v1/posts", author.Credential(), n, reader)
}

// Push pushes message n to a reader with a service token.
func (w *Writer) Push(token string, to Person, n, reader, size int) {
	w.body = append(append(append(w.body[:0], `{"receiver":"`...), to.ID.String()...), `","type":"bench","content":"`...)
	w.body = append(AppendText(w.body, n, reader, size), `"}`...)
	w.send("/v1/notifications", "Authorization: Bearer "+token, n, reader)
}

func (w *Writer) send(path, who string, n, reader int) {
	w.ledger.Begin(n, reader)
	began := time.Now()
	status, reply, err := w.Ask(http.MethodPost, path, who, w.body)
	w.Answers.Add(time.Since(began))
	switch {
	case err != nil:
		w.Checked.Failed++
		w.Checked.Fault("message %d: %v", n, err)
	case status != http.StatusCreated:
		w.Checked.Failed++
		w.Checked.Fault("message %d: status %d: %.120s", n, status, reply)
	}
}
