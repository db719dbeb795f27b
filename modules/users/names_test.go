package users

import (
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

func TestNames(t *testing.T) {
	n := newNames()
	ada := social.UserRef{ID: social.NewID(), Username: "ada"}
	refs := map[social.ID]social.UserRef{ada.ID: ada}
	knows := func() bool {
		got := map[social.ID]social.UserRef{}
		others := n.fill(got, []social.ID{ada.ID})
		if len(others)+len(got) != 1 || len(got) == 1 && got[ada.ID] != ada {
			t.Fatalf("of one person %v is known and %v is not", got, others)
		}
		return len(got) == 1
	}
	if knows() {
		t.Error("a name is known that nobody has read")
	}
	ids, turn := n.take()
	if len(ids) != 1 || ids[0] != ada.ID {
		t.Errorf("%v is wanted, want whom was asked for", ids)
	}
	if again, _ := n.take(); len(again) != 0 {
		t.Errorf("%v is wanted twice", again)
	}
	if n.learn(refs, turn); !knows() {
		t.Error("what was learned is not known")
	}

	// From before a change begins until it has ended nothing is said.
	release := n.hold(ada.ID)
	_, turn = n.take()
	if n.learn(refs, turn); knows() {
		t.Error("something is said of a person whose row is being changed")
	}
	other := n.hold(ada.ID)
	release()
	release()
	if knows() {
		t.Error("something is said while the second of two changes is under way")
	}
	other()
	if knows() {
		t.Error("what was read during the change is said after it")
	}
	if n.learn(refs, turn); knows() {
		t.Error("what was read during the change was kept after it")
	}
	_, turn = n.take()
	if n.learn(refs, turn); !knows() || len(n.held) != 0 {
		t.Errorf("after the change nothing can be learned; held: %v", n.held)
	}
}

func TestNamesAreBounded(t *testing.T) {
	n := newNames()
	for range namesMax + namesMax/4 {
		id := social.NewID()
		n.fill(nil, []social.ID{id})
		n.learn(map[social.ID]social.UserRef{id: {ID: id}}, 0)
		if len(n.known) > namesMax || len(n.wanted) > namesWanted {
			t.Fatalf("%d are known and %d wanted, want at most %d and %d", len(n.known), len(n.wanted), namesMax, namesWanted)
		}
	}
	if len(n.known) < namesMax/2 {
		t.Errorf("only %d are known of %d", len(n.known), namesMax)
	}
}
