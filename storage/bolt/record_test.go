package bolt

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// FuzzRecord: whatever bytes stand in the journal, reading them gives an error or a record that writes the same bytes
// again; and no record is read under another position.
func FuzzRecord(f *testing.F) {
	for _, e := range []storage.Entry{
		{Position: 1, Stream: social.Stream{Kind: social.To, User: social.ID{1}}, Type: "a", Data: []byte("1")},
		{Position: 1 << 60, Stream: social.Stream{Kind: social.By, User: social.ID{2}}, Internal: true,
			About: []social.ID{{3}, {4}}, Data: []byte("{}")},
		{Position: 7, Stream: social.Stream{Kind: social.By}},
	} {
		key, r := keyOf(e.Position), recordOf(&e)
		f.Add(key, r.appendTo(nil, key), false)
		f.Add(key, r.appendTo(nil, key), true)
	}
	f.Add([]byte{}, []byte{}, true)
	f.Fuzz(func(t *testing.T, key, value []byte, repair bool) {
		if repair && len(value) >= headLen && len(key) == keyLen { // let the fuzzer past the checksum
			value = bytes.Clone(value)
			copy(value, encodeChecksum(checksum(key, value[flagsAt:])))
		}
		r, err := decode(key, value)
		if err != nil {
			return
		}
		if again := r.appendTo(nil, key); !bytes.Equal(again, value) {
			t.Fatalf("%x was read and written again as %x", value, again)
		}
		e := r.event(social.Cursor{}, &copies{})
		if len(e.About) > social.MaxAbout || (len(e.Data) == 0) != (r.flags&flagEmpty != 0) {
			t.Fatalf("%x was read as %+v", value, e)
		}
		other := bytes.Clone(key)
		other[len(other)-1] ^= 1
		if _, err := decode(other, value); err == nil {
			t.Fatalf("a record of %x was read at %x", key, other)
		}
	})
}

func encodeChecksum(sum uint32) []byte {
	return []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}
}

// TestRecordBits: no single flipped bit goes unseen.
func TestRecordBits(t *testing.T) {
	e := storage.Entry{Position: 99, Stream: social.Stream{Kind: social.To, User: social.ID{1}}, Type: "notification",
		Time: 5, About: []social.ID{{2}}, Data: []byte(`{"text":"hello"}`)}
	key, r := keyOf(e.Position), recordOf(&e)
	value := r.appendTo([]byte("before"), key)[len("before"):]
	for i := range 8 * (len(key) + len(value)) {
		k, v := bytes.Clone(key), bytes.Clone(value)
		if i/8 < len(k) {
			k[i/8] ^= 1 << (i % 8)
		} else {
			v[i/8-len(k)] ^= 1 << (i % 8)
		}
		if _, err := decode(k, v); err == nil {
			t.Errorf("bit %d was flipped and not seen", i)
		}
	}
	for n := range value {
		if _, err := decode(key, value[:n]); err == nil {
			t.Errorf("a record cut to %d bytes was read", n)
		}
	}
}

func TestStateBits(t *testing.T) {
	s := state{mark: 2, floor: 3, swept: 4, flushed: 5, count: 6, gone: 7}
	value := s.encode()
	if got, err := decodeState(value); err != nil || got != s {
		t.Fatal(got, err)
	}
	for i := range 8 * len(value) {
		v := bytes.Clone(value)
		v[i/8] ^= 1 << (i % 8)
		if _, err := decodeState(v); err == nil {
			t.Errorf("bit %d was flipped and not seen", i)
		}
	}
}

func TestEpochBits(t *testing.T) {
	table := social.Epochs{{Number: 1<<32 - 1}, {Number: 7, After: 1 << 40}}
	value := encodeEpochs(table)
	if got, err := decodeEpochs(value); err != nil || !slices.Equal(got, table) {
		t.Fatal(got, err)
	}
	for i := range 8 * len(value) {
		v := bytes.Clone(value)
		v[i/8] ^= 1 << (i % 8)
		if _, err := decodeEpochs(v); err == nil {
			t.Errorf("bit %d was flipped and not seen", i)
		}
	}
	for n := range value {
		if _, err := decodeEpochs(value[:n]); err == nil {
			t.Errorf("a table cut to %d bytes was read", n)
		}
	}
}

// TestNewestNeverTooLittle: the table may say that a quiet stream is loud, and never the reverse, also when it is far
// too small.
func TestNewestNeverTooLittle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	n := newNewest(16)
	truth := map[social.Stream]social.Position{}
	for p := social.Position(1); p <= 2000; p++ {
		s := social.Stream{Kind: social.By, User: social.ID{0: byte(rng.IntN(100)), 15: byte(rng.IntN(2))}}
		n.note([]indexed{{stream: s, at: postingOf(p, 0)}})
		truth[s] = p
		if len(n.at) > 16 {
			t.Fatalf("the table holds %d streams, bound 16", len(n.at))
		}
		after, since := social.Position(rng.IntN(int(p)+1)), social.Position(rng.IntN(int(p)+1))
		for s, at := range truth {
			quiet := len(n.loud([]social.Source{{Stream: s, Since: since}}, after)) == 0
			if quiet && at > max(after, since) {
				t.Fatalf("%s has %d and counts as quiet after %d since %d", s, at, after, since)
			}
		}
	}
	if got := n.loud([]social.Source{{Stream: social.Stream{Kind: social.To}}}, 2000); got != nil {
		t.Fatal("a reader at the head is sent to the file")
	}
}

// TestCopiesAreApart: events that share memory do not share it with those who append to what they were given.
func TestCopiesAreApart(t *testing.T) {
	var mem copies
	first, people := mem.bytes([]byte("first")), mem.people(make([]byte, 16))
	second, others := mem.bytes([]byte("second")), mem.people(bytes.Repeat([]byte{2}, 16))
	_ = append(first, "overwritten"...)
	_ = append(people, social.ID{9})
	if string(second) != "second" || others[0] != social.ID(bytes.Repeat([]byte{2}, 16)) {
		t.Errorf("the second event has %q and %v", second, others)
	}
}
