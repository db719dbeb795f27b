package people_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/humatest"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// town answers for users and follows out of maps, and notes whose relations were asked for.
type town struct {
	*moduletest.Fixture
	s         *people.Service
	users     map[social.ID]social.User
	relations map[social.ID]social.Relationship
	asked     [][]social.ID
	list      []social.ID // of every page
}

func open(t *testing.T) *town {
	f := moduletest.Open(t)
	w := &town{Fixture: f, s: people.New(f.DB), users: map[social.ID]social.User{},
		relations: map[social.ID]social.Relationship{}}
	w.s.Ports = people.Ports{Users: w, Follows: w}
	return w
}

func (w *town) add(name string) social.ID {
	id := social.NewID()
	w.users[id] = social.User{ID: id, Username: name}
	return id
}

func (w *town) Profiles(_ context.Context, _ storage.Querier, ids []social.ID) (list []social.User, err error) {
	for _, id := range ids {
		if u, ok := w.users[id]; ok {
			list = append(list, u)
		}
	}
	return list, nil
}

func (w *town) Refs(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	refs := map[social.ID]social.UserRef{}
	for _, id := range ids {
		if u, ok := w.users[id]; ok {
			refs[id] = social.UserRef{ID: id, Username: u.Username}
		}
	}
	return refs, nil
}

func (w *town) RefsByName(_ context.Context, _ storage.Querier, names []string) (map[string]social.UserRef, error) {
	refs := map[string]social.UserRef{}
	for _, name := range names {
		for id, u := range w.users {
			if strings.EqualFold(u.Username, name) {
				refs[name] = social.UserRef{ID: id, Username: u.Username}
			}
		}
	}
	return refs, nil
}

func (w *town) Relations(_ context.Context, _ storage.Querier, _ social.ID,
	ids []social.ID) (map[social.ID]social.Relationship, error) {
	w.asked = append(w.asked, slices.Clone(ids))
	return w.relations, nil
}

func (w *town) Page(context.Context, storage.Querier, social.ID, social.ID, bool,
	social.PageQuery) (social.List[social.ID], error) {
	return social.List[social.ID]{Items: w.list}, nil
}

func TestViews(t *testing.T) {
	w := open(t)
	viewer, stranger, followed := w.add("alice"), w.add("bob"), w.add("cleo")
	w.relations[followed] = social.Relationship{UserID: followed, Follow: social.FollowFollowing, Notify: true}
	w.Read(t, func(q storage.Querier) error {
		list, err := w.s.Views(t.Context(), q, viewer, []social.ID{followed, social.NewID(), viewer, stranger})
		if err != nil {
			return err
		}
		if len(list) != 3 || list[0].ID != followed || list[1].ID != viewer || list[2].ID != stranger {
			t.Fatalf("views are %+v, want those there in the order asked", list)
		}
		if v := list[0].Viewer; v == nil || v.Follow != social.FollowFollowing || !v.Notify {
			t.Errorf("the followed is seen with %+v", v)
		}
		if list[1].Viewer != nil {
			t.Errorf("oneself is seen with %+v", list[1].Viewer)
		}
		if v := list[2].Viewer; v == nil || v.UserID != stranger || v.Follow != social.FollowNone {
			t.Errorf("a stranger is seen with %+v", v)
		}
		w.asked = nil
		anonymous, err := w.s.Views(t.Context(), q, social.ID{}, []social.ID{viewer, stranger})
		if len(anonymous) != 2 || anonymous[0].Viewer != nil || anonymous[1].Viewer != nil || len(w.asked) != 0 {
			t.Errorf("anonymous sees %+v and asks %v", anonymous, w.asked)
		}
		return err
	})
	list, err := w.s.Relationships(t.Context(), viewer, []social.ID{stranger, viewer, social.NewID(), followed})
	if err != nil || len(list) != 2 || list[0].UserID != stranger || list[1].UserID != followed ||
		list[1].Follow != social.FollowFollowing {
		t.Errorf("relationships are %+v, %v", list, err)
	}
}

func (w *town) Search(_ context.Context, _ storage.Querier, _ social.ID, text string,
	_ social.PageQuery) (social.List[social.ID], error) {
	if text == " " {
		return social.List[social.ID]{}, social.Invalid(social.QueryField("q", social.FieldTooShort, ""))
	}
	return social.List[social.ID]{Items: w.list}, nil
}

func (w *town) Active(context.Context, storage.Querier, social.ID, social.PageQuery) (social.List[social.ID], error) {
	return social.List[social.ID]{Items: w.list}, nil
}

// TestFound: a search and the directory show people as the viewer sees them, without those who are not there.
func TestFound(t *testing.T) {
	w := open(t)
	alice, bob := w.add("alice"), w.add("bob")
	lists := map[string]func(viewer social.ID) (social.List[social.User], error){
		"search": func(viewer social.ID) (social.List[social.User], error) {
			return w.s.Search(t.Context(), viewer, "b", social.PageQuery{Limit: 5})
		},
		"directory": func(viewer social.ID) (social.List[social.User], error) {
			return w.s.Directory(t.Context(), viewer, social.PageQuery{Limit: 5})
		},
	}
	for what, list := range lists {
		w.list = []social.ID{social.NewID(), bob}
		for _, viewer := range []social.ID{{}, alice} {
			l, err := list(viewer)
			if err != nil || len(l.Items) != 1 || l.Items[0].ID != bob || (l.Items[0].Viewer == nil) != viewer.IsZero() {
				t.Errorf("%s has %+v, %v", what, l, err)
			}
		}
		w.list = nil
		if l, err := list(alice); err != nil || l.Items == nil {
			t.Errorf("%s of nobody is %+v, %v, want an empty list", what, l, err)
		}
	}
}

// A list of follows leaves out who is not there, and is not found for somebody who is not.
func TestFollows(t *testing.T) {
	w := open(t)
	alice, bob := w.add("alice"), w.add("bob")
	w.list = []social.ID{social.NewID(), bob}
	list, err := w.s.Follows(t.Context(), alice, alice, true, social.PageQuery{Limit: 5})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != bob || list.Items[0].Viewer == nil {
		t.Errorf("follows are %+v, %v", list, err)
	}
	w.list = nil
	if list, err = w.s.Follows(t.Context(), alice, alice, true, social.PageQuery{Limit: 5}); err != nil ||
		list.Items == nil {
		t.Errorf("no follows are %+v, %v, want an empty list", list, err)
	}
	if _, err = w.s.Follows(t.Context(), alice, social.NewID(), true, social.PageQuery{Limit: 5}); !social.IsFault(err,
		social.CodeNotFound) {
		t.Errorf("follows of nobody give %v", err)
	}
}

func TestHTTP(t *testing.T) {
	w := open(t)
	alice, bob := w.add("alice"), w.add("bob")
	config := huma.DefaultConfig("test", "1")
	config.CreateHooks = nil // no $schema
	_, api := humatest.New(t, config)
	w.s.Routes(api)
	as := func(id social.ID) context.Context { return social.WithActor(t.Context(), social.Actor{UserID: id}) }
	members := strings.Fields(`id username display_name avatar_url url bio locked bot
		followers_count following_count posts_count created_at viewer`)
	slices.Sort(members)
	for what, path := range map[string]string{"by id": "/v1/users/" + alice.String(),
		"by name": "/v1/users/by-name/ALICE"} {
		for _, ctx := range []context.Context{t.Context(), as(bob)} {
			r := api.GetCtx(ctx, path)
			var u map[string]json.RawMessage
			if err := json.Unmarshal(r.Body.Bytes(), &u); err != nil || r.Code != http.StatusOK {
				t.Fatalf("%s: %d %s, %v", what, r.Code, r.Body, err)
			}
			if got := slices.Sorted(maps.Keys(u)); !slices.Equal(got, members) {
				t.Errorf("%s has %v, want %v", what, got, members)
			}
			if seen := string(u["viewer"]) != "null"; seen != (ctx != t.Context()) {
				t.Errorf("%s: viewer is %s", what, u["viewer"])
			}
		}
	}
	refused := func(what string, r *httptest.ResponseRecorder, code social.Code) {
		if !strings.Contains(r.Body.String(), string(code)+": ") { // a fault shows as 500 here, with its text
			t.Errorf("%s: status %d, %s; want the fault %s", what, r.Code, r.Body, code)
		}
	}
	for _, path := range []string{social.NewID().String(), "nope", strings.ToUpper(alice.String()), "by-name/nobody",
		"by-name/a%20b", "nope/followers"} {
		refused(path, api.Get("/v1/users/"+path), social.CodeNotFound)
	}
	r := api.GetCtx(as(alice), "/v1/relationships?ids="+bob.String()+","+social.NewID().String())
	var list struct{ Items []social.Relationship }
	if err := json.Unmarshal(r.Body.Bytes(), &list); err != nil || len(list.Items) != 1 || list.Items[0].UserID != bob {
		t.Errorf("relationships: %s, %v", r.Body, err)
	}
	w.list = []social.ID{bob}
	for _, path := range []string{"/v1/users", "/v1/search?type=users&q=b"} {
		var page struct{ Items []social.User }
		r := api.GetCtx(as(alice), path)
		if err := json.Unmarshal(r.Body.Bytes(), &page); err != nil || len(page.Items) != 1 || page.Items[0].ID != bob {
			t.Errorf("%s: %s, %v", path, r.Body, err)
		}
	}
	for _, kind := range []string{"posts", "tags"} {
		refused(kind, api.Get("/v1/search?q=b&type="+kind), social.CodeValidationFailed)
	}
	refused("a text that shows nothing", api.Get("/v1/search?q=%20&type=users"), social.CodeValidationFailed)
	refused("a malformed id", api.GetCtx(as(alice), "/v1/relationships?ids=1,2"), social.CodeValidationFailed)
	refused("too many ids", api.GetCtx(as(alice),
		"/v1/relationships?ids="+strings.Repeat(bob.String()+",", 100)+bob.String()), social.CodeValidationFailed)
}
