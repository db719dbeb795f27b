package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Pages is one list of the API as one person reads it.
type Pages struct {
	Who  Person
	Path string // without a query
	Args string // "limit=20"
}

// At is the path of the page behind a cursor; "" = the first.
func (l Pages) At(cursor string) string {
	if cursor == "" {
		return l.Path + "?" + l.Args
	}
	return l.Path + "?" + l.Args + "&cursor=" + url.QueryEscape(cursor)
}

// ErrEnd ends a walk early.
var ErrEnd = errors.New("far enough")

// Walk reads page after page, and gives each its number (from 1), its cursor, its body and the ids on it, until there
// are no more or see returns ErrEnd.
func (l Pages) Walk(c *Caller, see func(page int, cursor string, body []byte, ids []string) error) error {
	cursor := ""
	for page := 1; ; page++ {
		var body struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
			Next *string `json:"next"`
		}
		reply, err := c.Get(l.At(cursor), l.Who, &body)
		if err != nil {
			return err
		}
		ids := make([]string, len(body.Items))
		for i, item := range body.Items {
			ids[i] = item.ID
		}
		if err := see(page, cursor, reply, ids); errors.Is(err, ErrEnd) {
			return nil
		} else if err != nil {
			return fmt.Errorf("page %d of %s: %w", page, l.Path, err)
		}
		if body.Next == nil {
			return nil
		}
		cursor = *body.Next
	}
}

// Get asks for one resource and decodes the answer. The bytes are valid until the next request.
func (c *Caller) Get(path string, who Person, into any) ([]byte, error) {
	status, reply, err := c.Ask(http.MethodGet, path, who.Credential(), nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d: %.120s", path, status, reply)
	}
	return reply, json.Unmarshal(reply, into)
}
