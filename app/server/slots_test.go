package server

import (
	"errors"
	"strconv"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

var slotForm = social.UploadForm{AtOnce: 128, PerPerson: 16, MaxBytes: 16 << 20}

func anyRoom(int64) error { return nil }

// TestSlotsAreShared: people with many uploads, and one address, leave slots to the others.
func TestSlotsAreShared(t *testing.T) {
	var l slots
	fill := func(people int, address func(i int) string) (got int) {
		for i := range people {
			for range 20 {
				if _, err := l.take(uploader{person: social.ID{15: byte(i)}, address: address(i)}, slotForm, anyRoom); err == nil {
					got++
				}
			}
		}
		return got
	}
	if got := fill(20, func(int) string { return "one" }); got != 64 || l.taken != got {
		t.Errorf("one address has %d of 128", got)
	}
	if l.pace(slotForm) != paceBytes {
		t.Error("half are taken: the pace is another one")
	}
	l = slots{}
	if got := fill(8, strconv.Itoa); got > 80 {
		t.Errorf("eight people have %d of 128", got)
	}
	if fast := l.pace(slotForm); fast < 16<<10 || fast > 32<<10 {
		t.Errorf("more than half are taken: the pace is %d bytes a second", fast)
	}
	back, err := l.take(uploader{person: social.NewID(), address: "another"}, slotForm, anyRoom)
	if err != nil {
		t.Fatal(err)
	}
	before := l.taken
	back()
	back()
	if l.taken != before-1 || len(l.from) != 8 {
		t.Errorf("%d are taken, from %d addresses", l.taken, len(l.from))
	}
}

// TestSharedBy: whoever comes through a proxy that is not told of is not one with all others.
func TestSharedBy(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1": "", "10.1.2.3": "", "::1": "", "fd00::1": "",
		"203.0.113.9": "203.0.113.9", "2001:db8::1": social.AddressKey("2001:db8::1")} {
		if got := sharedBy(address); got != want {
			t.Errorf("%s is counted as %q, want %q", address, got, want)
		}
	}
}

// TestSlotsHaveRoom: what is on its way counts as if it was on the disk.
func TestSlotsHaveRoom(t *testing.T) {
	var l slots
	full := errors.New("full")
	room := func(bytes int64) error {
		if bytes > 100 {
			return full
		}
		return nil
	}
	first, err := l.take(uploader{person: social.NewID(), bytes: 60}, slotForm, room)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.take(uploader{person: social.NewID(), bytes: 60}, slotForm, room); !errors.Is(err, full) {
		t.Errorf("120 of 100 bytes: %v", err)
	}
	first()
	if _, err := l.take(uploader{person: social.NewID(), bytes: 60}, slotForm, room); err != nil {
		t.Errorf("60 of 100 bytes: %v", err)
	}
}
