package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// pages is one list of the API as one person reads it.
type pages struct {
	who  Person
	path string // without a query
	args string // "limit=20"
}

// at is the path of the page behind a cursor; "" = the first.
func (l pages) at(cursor string) string {
	if cursor == "" {
		return l.path + "?" + l.args
	}
	return l.path + "?" + l.args + "&cursor=" + url.QueryEscape(cursor)
}

// errEnd ends a walk early.
var errEnd = errors.New("far enough")

// walk reads page after page, and gives each its number (from 1), its cursor, its body and the ids on it, until there
// are no more or see returns errEnd.
func (l pages) walk(c *caller, see func(page int, cursor string, body []byte, ids []string) error) error {
	cursor := ""
	for page := 1; ; page++ {
		var body struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
			Next *string `json:"next"`
		}
		reply, err := c.get(l.at(cursor), l.who, &body)
		if err != nil {
			return err
		}
		ids := make([]string, len(body.Items))
		for i, item := range body.Items {
			ids[i] = item.ID
		}
		if err := see(page, cursor, reply, ids); errors.Is(err, errEnd) {
			return nil
		} else if err != nil {
			return fmt.Errorf("page %d of %s: %w", page, l.path, err)
		}
		if body.Next == nil {
			return nil
		}
		cursor = *body.Next
	}
}

// get asks for one thing and decodes it. The bytes are good until the next request.
func (c *caller) get(path string, who Person, into any) ([]byte, error) {
	status, reply, err := c.ask(http.MethodGet, path, who.credential(), nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d: %.120s", path, status, reply)
	}
	return reply, json.Unmarshal(reply, into)
}

// numbers is a flag of several whole numbers: "1,8,64". A number may end in k or M.
type numbers []int

// String is flag.Value's.
func (n *numbers) String() string {
	text := make([]string, len(*n))
	for i, one := range *n {
		text[i] = strconv.Itoa(one)
	}
	return strings.Join(text, ",")
}

// Set is flag.Value's.
func (n *numbers) Set(text string) error {
	*n = nil
	for word := range strings.SplitSeq(text, ",") {
		digits, factor := word, 1
		if cut, ok := strings.CutSuffix(word, "k"); ok {
			digits, factor = cut, 1000
		} else if cut, ok := strings.CutSuffix(word, "M"); ok {
			digits, factor = cut, 1_000_000
		}
		one, err := strconv.Atoi(digits)
		if err != nil || one < 1 {
			return fmt.Errorf("%q is not a number above 0", word)
		}
		*n = append(*n, one*factor)
	}
	return nil
}
