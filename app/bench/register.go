package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/seed"
	"github.com/belfry-social/belfry/modules/social"
)

// registering is the number of concurrent registrations: the server hashes one password on each core.
const registering = 4

// register makes the people of a plan through the API of a running server, with names nobody has, and cookies
// instead of tokens. A past cannot be made that way.
func (b *Bench) register(ctx context.Context, s *Server, plan seed.Plan) (seed.People, error) {
	if len(plan.Threads)+len(plan.Pushes)+plan.Posts > 0 {
		return seed.People{}, fmt.Errorf("%w: --url: this needs a past, and a server of our own for it", ErrUsage)
	}
	if plan.Service && b.Service == "" {
		return seed.People{}, fmt.Errorf("%w: --url: this needs --service-token (belfry token service)", ErrUsage)
	}
	people := seed.People{List: make([]client.Person, plan.People), Service: b.Service}
	run := "b" + strconv.FormatInt(time.Now().Unix(), 36) + "x"
	err := parallel(ctx, plan.People, b.step("register"), func(i int) (err error) {
		people.List[i], err = registerOne(ctx, s, run+strconv.Itoa(i))
		return err
	})
	if err != nil || plan.Follows == nil {
		return people, err
	}
	var edges []seed.Follow
	for f := range plan.Follows {
		edges = append(edges, f)
	}
	callers := sync.Pool{New: func() any { return client.NewCaller(s.Address) }}
	return people, parallel(ctx, len(edges), b.step("follow"), func(i int) error {
		c := callers.Get().(*client.Caller)
		defer callers.Put(c)
		path := "/v1/users/" + people.List[edges[i].Followed].ID.String() + "/follow"
		status, reply, err := c.Ask(http.MethodPut, path, people.List[edges[i].Follower].Credential(), nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("follow: status %d: %.200s", status, reply)
		}
		return err
	})
}

// query is the query of all streams: all events. At --url follow events are left out, as the follows made for the run
// may still be announced during it.
func (b *Bench) query() string {
	if b.URL != "" {
		return "?posts=all&types=post,notification"
	}
	return "?posts=all"
}

// parallel calls do for 0 to n-1, a few at a time, and ends with the first error.
func parallel(ctx context.Context, n int, show func(done, of int), do func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range registering {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					cancel(err)
				}
				show(i, n)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func registerOne(ctx context.Context, s *Server, name string) (p client.Person, err error) {
	body := fmt.Sprintf(`{"username":%q,"password":"correct horse battery staple"}`, name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Address+"/v1/auth/register",
		bytes.NewReader([]byte(body)))
	if err != nil {
		return p, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return p, err
	}
	if resp.StatusCode != http.StatusCreated {
		return p, fmt.Errorf("register: status %d: %.200s", resp.StatusCode, reply)
	}
	var answer struct{ User struct{ ID social.ID } }
	if err := json.Unmarshal(reply, &answer); err != nil {
		return p, fmt.Errorf("register: %w", err)
	}
	for _, c := range resp.Cookies() {
		return client.Person{ID: answer.User.ID, Name: name, Cookie: c.Name + "=" + c.Value}, nil
	}
	return p, errors.New("register: no cookie came")
}
