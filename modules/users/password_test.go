package users

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/belfry-social/belfry/modules/social"
)

func TestHasherWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(0, 2*time.Second)
		var running atomic.Int32
		release := make(chan struct{})
		work := func() error {
			running.Add(1)
			<-release
			return nil
		}
		cores := runtime.GOMAXPROCS(0)
		for range cores {
			go h.run(t.Context(), turn{}, work)
			synctest.Wait()
		}
		begun := time.Now()
		err := h.run(t.Context(), turn{}, func() error { t.Error("ran without a slot"); return nil })
		var f *social.Fault
		if !errors.As(err, &f) || f.Code != social.CodeOverloaded || f.RetryAfter <= 0 {
			t.Errorf("one too many: %v, want overloaded with a time to come back", err)
		}
		if waited := time.Since(begun); waited != 2*time.Second {
			t.Errorf("waited %v, want 2 s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.run(ctx, turn{}, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller who left: %v", err)
		}
		got := make(chan error)
		go func() { got <- h.run(t.Context(), turn{}, func() error { return nil }) }()
		time.Sleep(time.Second) // of the bubble: no time passes
		release <- struct{}{}
		if err := <-got; err != nil {
			t.Errorf("a slot came free within the wait: %v", err)
		}
		for range cores - 1 {
			release <- struct{}{}
		}
		synctest.Wait()
		if n := int(running.Load()); n != cores || h.slots.free != runtime.GOMAXPROCS(0) {
			t.Errorf("%d ran, %d slots are still taken; want %d and none", n, cores-h.slots.free, cores)
		}
	})
}

// Memory that is short allows fewer hashes than there are cores; more than cores are never at work.
func TestHasherSlots(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	for slots, want := range map[int]int{0: cores, 1: 1, cores + 1: cores} {
		if got := newHasher(slots, time.Second).slots.free; got != want {
			t.Errorf("%d slots asked for: %d, want %d", slots, got, want)
		}
	}
}

func TestHasherFreesItsSlotAfterAPanic(t *testing.T) {
	h := newHasher(0, time.Second)
	func() {
		defer func() { recover() }()
		h.run(t.Context(), turn{}, func() error { panic("our own mistake") })
	}()
	if h.slots.free != runtime.GOMAXPROCS(0) {
		t.Error("the slot is lost")
	}
}

func TestNoAccountHash(t *testing.T) {
	params, _, _, err := argon2id.DecodeHash(noAccountHash)
	if err != nil || *params != *hashParams() {
		t.Errorf("the hash for unknown names costs %+v (%v), real ones %+v", params, err, hashParams())
	}
	h := newHasher(0, time.Minute)
	// A hash that the caller does not know of never matches, whatever is behind it.
	if ok, err := h.verify(t.Context(), turn{}, "anything", ""); ok || err != nil {
		t.Errorf("verify against nobody: %v, %v", ok, err)
	}
}

func TestIsCommon(t *testing.T) {
	for _, p := range []string{
		"password", "Password1", "PASSWORD!!", "p4ssw0rd", "P@$$w0rd", "passw0rd123", "12345678", "87654321", "1234567890",
		"11111111", "abababab",
		"abcabcabc", "123123123", "qwertyui", "qwerty123", "1q2w3e4r", "1qaz2wsx", "asdfghjkl", "zxcvbnm1", "letmein1",
		"iloveyou", "!Welcome2024!",
		"admin123", "sunshine", "football1", "19870412", "12.04.1987", "alice123", "Alice2024!", "al1ce!!!", "belfry99",
		"abcdefgh", "abcd1234", "qwert12345", "changeme!", "Monday01", "summer2025",
	} {
		if !isCommon(p, "alice") {
			t.Errorf("%q is allowed", p)
		}
	}
	for _, p := range []string{
		"a harbour at dawn", "correct horse battery staple", "passwordmanager9", "tr0ub4dor&3", "hunter2hunting",
		"zebra crossing", "gR7#kqPz", "ééééééèé",
		"alicante2024", "x1y2z3w4", "9f86d081884c", "password is not the password", strings.Repeat("ab", 20),
	} {
		if isCommon(p, "alice") {
			t.Errorf("%q is refused", p)
		}
	}
}

func FuzzIsCommon(f *testing.F) {
	f.Add("P4ssw0rd!", "alice")
	f.Add("\xff\xfe", "")
	f.Fuzz(func(t *testing.T, password, username string) {
		if isCommon(password, username) && len(password) > 24 {
			t.Errorf("%q is long and common", password)
		}
	})
}
