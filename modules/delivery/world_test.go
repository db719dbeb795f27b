package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/delivery/reading"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

func TestMain(m *testing.M) {
	// fasthttp starts a goroutine for the Date header with its first request and keeps it: not in a test's bubble.
	if _, err := fiber.New().Test(httptest.NewRequest("GET", "/", nil)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// defaults has every key at its default.
func defaults() delivery.Config {
	return delivery.Config{Config: pipeline.DefaultConfig(), Caps: reading.Caps{MaxStreams: 20_000,
		MaxStreamsPerPerson: 10}}
}

// world is a site without its other modules: a real store and a real log, and people who follow each other by a
// table that the test writes.
type world struct {
	t        testing.TB
	fix      *moduletest.Fixture
	log      *bolt.Log
	clock    social.Clock
	people   *relations
	position atomic.Uint64
}

func newWorld(t testing.TB) *world {
	fix := moduletest.Open(t, delivery.Migrations)
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "events.bolt"))
	log, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	if err := log.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, fix: fix, log: log, clock: time.Now,
		people: &relations{follows: map[[2]social.ID]social.FollowEdge{}, ended: map[[2]social.ID]social.FollowEdge{}}}
}

// service makes delivery on this world, with channels attached in the order given; it is not started.
func (w *world) service(cfg delivery.Config, channels ...named) *delivery.Service {
	s := delivery.New(cfg, w.fix.DB, w.log, w.clock, social.Site{PublicURL: "https://social.example"}, w.fix.Pages,
		w.logger())
	s.Audiences.Follows = w.people
	for _, c := range channels {
		s.Attach(c.name, c.Channel)
	}
	return s
}

type named struct {
	name string
	plugins.Channel
}

func (w *world) logger() *zap.Logger {
	return zaptest.NewLogger(w.t, zaptest.Level(zap.FatalLevel))
}

// start starts a service and stops it when the test ends.
func (w *world) start(s *delivery.Service) *delivery.Service {
	w.t.Helper()
	if err := s.Start(w.t.Context()); err != nil {
		w.t.Fatalf("start: %v", err)
	}
	w.t.Cleanup(func() { w.stop(s) })
	return s
}

func (w *world) stop(s *delivery.Service) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

// append puts events into the log and gives the cursor of the last.
func (w *world) append(events ...storage.Entry) social.Cursor {
	w.t.Helper()
	for i := range events {
		e := &events[i]
		e.Position = social.Position(w.position.Add(1))
		e.OutboxID = int64(e.Position)
		if e.Op == 0 {
			e.Op = storage.OpAppend
		}
		e.Time = w.clock.Now()
	}
	if err := w.log.Append(context.Background(), events...); err != nil {
		w.t.Fatalf("append: %v", err)
	}
	return w.log.Head()
}

// notification is an event in a person's to: stream.
func (w *world) notification(to social.ID, kind string) (storage.Entry, social.ID) {
	id := social.NewID()
	data := fmt.Sprintf(`{"id":%q,"type":%q,"created_at":%q,"updated_at":%[3]q}`, id, kind, w.clock.Now())
	return storage.Entry{Stream: social.Stream{Kind: social.To, User: to}, Type: social.EventNotification,
		Data: []byte(data)}, id
}

// post is an event in a person's by: stream.
func (w *world) post(author social.ID, mentioned ...social.ID) (storage.Entry, social.ID) {
	type mention struct {
		UserID social.ID `json:"user_id"`
	}
	data := struct {
		ID       social.ID `json:"id"`
		Mentions []mention `json:"mentions"`
	}{ID: social.NewID(), Mentions: []mention{}}
	for _, m := range mentioned {
		data.Mentions = append(data.Mentions, mention{m})
	}
	body, err := json.Marshal(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return storage.Entry{Stream: social.Stream{Kind: social.By, User: author}, Type: social.EventPostCreated,
		About: []social.ID{author}, Data: body}, data.ID
}

func (w *world) revoke(person social.ID, data social.AccessRevokedData) {
	w.t.Helper()
	body, err := json.Marshal(data)
	if err != nil {
		w.t.Fatal(err)
	}
	w.append(storage.Entry{Stream: social.Stream{Kind: social.To, User: person}, Type: social.EventAccessRevoked,
		Internal: true, Data: body})
}

// relations answers for the modules that are not here.
type relations struct {
	mu      sync.Mutex
	follows map[[2]social.ID]social.FollowEdge // follower, followed
	ended   map[[2]social.ID]social.FollowEdge // those that ended with the followed one's account
	asked   func()                             // runs after Following has its answer
}

func (r *relations) follow(follower, followed social.ID, since social.Position, bell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follows[[2]social.ID{follower, followed}] = social.FollowEdge{User: followed, Since: since, Bell: bell}
}

func (r *relations) unfollow(follower, followed social.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.follows, [2]social.ID{follower, followed})
}

// end is the end of a followed one's account, behind a position.
func (r *relations) end(followed social.ID, since social.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pair, e := range r.follows {
		if pair[1] == followed {
			e.Since = since
			r.ended[pair] = e
			delete(r.follows, pair)
		}
	}
}

func (r *relations) Ended(_ context.Context, _ storage.Querier, follower social.ID) (out []social.FollowEdge,
	err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pair, e := range r.ended {
		if pair[0] == follower {
			out = append(out, e)
		}
	}
	return out, nil
}

func (r *relations) Following(_ context.Context, _ storage.Querier, follower social.ID) (out []social.FollowEdge,
	err error) {
	r.mu.Lock()
	for pair, e := range r.follows {
		if pair[0] == follower {
			out = append(out, e)
		}
	}
	asked := r.asked
	r.mu.Unlock()
	if asked != nil {
		asked()
	}
	return out, nil
}

func (r *relations) Edge(_ context.Context, _ storage.Querier, follower, followed social.ID) (social.FollowEdge, bool,
	error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.follows[[2]social.ID{follower, followed}]
	return e, ok, nil
}

// idleChannel is the life of a channel that needs none.
type idleChannel struct{}

func (idleChannel) Start(context.Context) error { return nil }
func (idleChannel) Stop(context.Context) error  { return nil }

// sender is a sender whose Send is the test's.
type sender struct {
	idleChannel
	send func(context.Context, plugins.Delivery) error
}

func (s sender) Send(ctx context.Context, d plugins.Delivery) error { return s.send(ctx, d) }

func (sender) CheckEndpoint(settings json.RawMessage) (json.RawMessage, error) { return settings, nil }
