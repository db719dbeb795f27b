package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	fix := moduletest.Open(t, pipeline.Migrations)
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
		people: &relations{follows: map[[2]social.ID]social.FollowEdge{}, gone: map[social.ID]bool{}}}
}

// service makes delivery on this world, with channels attached in the order given; it is not started.
func (w *world) service(cfg pipeline.Config, channels ...named) *service {
	return w.serviceOn(w.fix.DB, cfg, channels...)
}

type named struct {
	name string
	plugins.Channel
}

func (w *world) serviceOn(db storage.DB, cfg pipeline.Config, channels ...named) *service {
	return w.serviceWith(db, w.log, cfg, channels...)
}

func (w *world) serviceWith(db storage.DB, log storage.LogReader, cfg pipeline.Config, channels ...named) *service {
	site := social.Site{PublicURL: "https://social.example"}
	s := &service{Pipeline: pipeline.New(cfg, db, log, w.clock, site, w.fix.Pages, w.logger()), log: log}
	s.Ports = pipeline.Ports{Follows: w.people, Notifications: w.people, Posts: w.people}
	for _, c := range channels {
		conduct := dispatch.Config{Failures: cfg.BreakerFailures, Pause: cfg.BreakerPause, Hangs: cfg.SendTimeout}
		ch := dispatch.New(c.name, c.Channel, conduct, w.clock, w.logger())
		s.channels = append(s.channels, ch)
		s.Attach(ch, c.Channel.(plugins.Sender))
	}
	return s
}

// service is a pipeline with its channels, as the host runs it.
type service struct {
	*pipeline.Pipeline
	log      storage.LogReader
	channels []*dispatch.Channel
	cancel   context.CancelFunc
}

func (s *service) Start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(ctx)
	return s.Pipeline.Start(ctx, s.log.Head())
}

func (s *service) Stop(ctx context.Context) error {
	if s.cancel != nil {
		s.cancel()
	}
	var errs []error
	for _, c := range s.channels {
		errs = append(errs, c.Stop(ctx))
	}
	return errors.Join(append(errs, s.Await(ctx))...)
}

func (s *service) Health() (out []dispatch.Health) {
	for _, c := range s.channels {
		out = append(out, c.Health())
	}
	return out
}

func (w *world) logger() *zap.Logger {
	return zaptest.NewLogger(w.t, zaptest.Level(zap.FatalLevel))
}

// start starts a service and stops it when the test ends.
func (w *world) start(s *service) *service {
	w.t.Helper()
	if err := s.Start(w.t.Context()); err != nil {
		w.t.Fatalf("start: %v", err)
	}
	w.t.Cleanup(func() { w.stop(s) })
	return s
}

func (w *world) stop(s *service) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

// settle waits for all that happens at once. That is a moment long: SQLite sleeps some microseconds when two readers
// begin together.
func settle() {
	synctest.Wait()
	time.Sleep(time.Millisecond)
	synctest.Wait()
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

// relations answers for the modules that are not here.
type relations struct {
	mu      sync.Mutex
	follows map[[2]social.ID]social.FollowEdge // follower, followed
	gone    map[social.ID]bool                 // withdrawn notifications and deleted posts
	told    []string                           // system notifications, by receiver and content
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

func (r *relations) withdraw(id social.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone[id] = true
}

func (r *relations) systemNotices() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.told...)
}

func (r *relations) Edge(_ context.Context, _ storage.Querier, follower, followed social.ID) (social.FollowEdge, bool,
	error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.follows[[2]social.ID{follower, followed}]
	return e, ok, nil
}

func (r *relations) BellFollowers(_ context.Context, _ storage.Querier, author social.ID,
	among []social.ID) (map[social.ID]social.FollowEdge, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[social.ID]social.FollowEdge{}
	for _, id := range among {
		if e, ok := r.follows[[2]social.ID{id, author}]; ok && e.Bell {
			out[id] = e
		}
	}
	return out, nil
}

func (r *relations) System(_ context.Context, _ storage.Tx, receiver social.ID, content, _ string,
	_ json.RawMessage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, receiver.String()+" "+content)
	return nil
}

func (r *relations) Withdrawn(_ context.Context, _ storage.Querier, id social.ID) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone[id], nil
}

func (r *relations) Info(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]event.PostInfo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[social.ID]event.PostInfo{}
	for _, id := range ids {
		if !r.gone[id] {
			out[id] = event.PostInfo{ID: id}
		}
	}
	return out, nil
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
