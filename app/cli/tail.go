package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (c *command) tail() *cobra.Command {
	var user, address, token, after, posts string
	cmd := &cobra.Command{
		Use:   "tail --user USERNAME",
		Short: "Show a person's events as they happen",
		Long: "Show a person's events as they happen, one line each. Without --token a token that lasts a day is made " +
			"on the data here and removed at the end. Comes back by itself where it left off.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (user == "") == (token == "") {
				return &usageError{errors.New("say --user or --token")}
			}
			client := http.DefaultClient
			if address == "" {
				var err error
				if address, client, err = c.program.Address(c.flags); err != nil {
					return err
				}
			}
			if token == "" {
				args := TokenArgs{Username: user, Name: "belfry tail", Scopes: []string{"events"}, ExpiresIn: "24h"}
				var reply TokenReply
				if err := c.call(cmd.Context(), TokenCreate, args, &reply); err != nil {
					return err
				}
				token = reply.Token
				defer c.dropToken(cmd.Context(), TokenArgs{Username: user, ID: reply.ID})
			}
			t := tailer{c: c, client: client, token: token, last: after,
				url: strings.TrimRight(address, "/") + "/v1/events?posts=" + url.QueryEscape(posts)}
			return t.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "whose events")
	cmd.Flags().StringVar(&token, "token", "", "a personal token with the scope events, instead of --user")
	cmd.Flags().StringVar(&address, "url", "", "address of the server (default: the one configured here)")
	cmd.Flags().StringVar(&after, "after", "", "start after this event id instead of now")
	cmd.Flags().StringVar(&posts, "posts", "all", "whose posts: notify, all or none")
	return cmd
}

// dropToken removes the token of a tail that ends; it would expire by itself.
func (c *command) dropToken(ctx context.Context, a TokenArgs) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.call(ctx, TokenDelete, a, nil); err != nil {
		fmt.Fprintln(c.streams.Err, "the token of this command is left to expire:", err)
	}
}

// tailer is a small SSE client: it reads blocks, prints them and reconnects with the last id.
type tailer struct {
	client *http.Client
	c      *command
	url    string
	token  string
	last   string
	retry  time.Duration
}

func (t *tailer) run(ctx context.Context) error {
	t.retry = 3 * time.Second
	for {
		err := t.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var final *finalError
		if errors.As(err, &final) {
			return err
		}
		fmt.Fprintf(t.c.streams.Err, "connection ended (%v), back in %s\n", err, t.retry)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(t.retry):
		}
	}
}

// finalError is an answer after which coming back cannot help.
type finalError struct{ status string }

func (e *finalError) Error() string { return "the server answered " + e.status }

// refusal is the error of an answer, with what its problem document says.
func refusal(resp *http.Response) error {
	var problem struct {
		Detail string
		Errors []struct{ Pointer, Detail string }
	}
	text := resp.Status
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&problem) == nil && problem.Detail != "" {
		text += ": " + problem.Detail
		for _, field := range problem.Errors {
			text += " " + field.Pointer + ": " + field.Detail
		}
	}
	return &finalError{terminalSafe(text)}
}

func (t *tailer) connect(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return &finalError{err.Error()}
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+t.token)
	if t.last != "" {
		req.Header.Set("Last-Event-ID", t.last)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	return t.read(bufio.NewReaderSize(resp.Body, 128<<10))
}

// read takes blocks as the WHATWG HTML standard says (section 9.2.6), for a server that sends LF only.
func (t *tailer) read(r *bufio.Reader) error {
	var id, name string
	var data []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err // an unfinished block is dropped
		}
		line = strings.TrimRight(line, "\r\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if id != "" {
				t.last = id
			}
			if len(data) > 0 {
				t.c.printf("%s\n", terminalSafe(name+" "+strings.Join(data, " ")))
			}
			id, name, data = "", "", nil
		case field == "id":
			id = value
		case field == "event":
			name = value
		case field == "data":
			data = append(data, value)
		case field == "retry":
			if ms, err := strconv.ParseUint(value, 10, 32); err == nil { // digits alone, and no overflow
				t.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// terminalSafe takes control characters out, so that no event can write to the terminal.
func terminalSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}
