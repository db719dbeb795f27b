package storagetest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/storagetest"
)

// fault is one thing a log gets wrong.
type fault string

const (
	noFault fault = ""

	// The applied mark and what Append promises.
	repeatOverwrites fault = "a repetition overwrites what was there"
	halfAppend       fault = "a refused call leaves its first entries"
	markIsLastRecord fault = "after opening, the mark is the last record"
	contextIsIgnored fault = "a cancelled call writes"
	payloadEdge      fault = "data of exactly the limit is refused"
	keptTwice        fault = "an event is kept twice"
	clockIsKey       fault = "the clock is the key"
	newestOnly       fault = "only the newest event of a stream is kept"
	timeInSeconds    fault = "the time is cut to seconds"

	// Reading.
	epochIsIgnored     fault = "the epoch of a cursor is not looked at"
	futureIsTaken      fault = "a cursor above the head is taken"
	gapAtFloor         fault = "a cursor at the floor is a gap"
	gapBelowFloor      fault = "a cursor just below the floor is no gap"
	gapToHead          fault = "an expired cursor is sent to the head"
	sinceIsIgnored     fault = "Since is ignored"
	sinceIsIncluded    fault = "the event at Since is shown"
	hiddenIsIgnored    fault = "Hidden is ignored"
	hiddenIsActorOnly  fault = "Hidden looks at the actor only"
	fourthPersonIsLost fault = "the fourth person of About is lost"
	internalIsShown    fault = "internal entries are read"
	internalIsUnmarked fault = "internal entries are not flagged"
	byStream           fault = "the merge is ordered by stream"
	byPrefix           fault = "a stream is found by prefix"
	limitIsIgnored     fault = "the limit is ignored"
	throughIsLast      fault = "Through is the last event, not the head"
	throughIsNext      fault = "Through is the event left out"
	moreIsMissing      fault = "a page cut by the limit has no More"
	budgetIsTheEnd     fault = "the scan budget ends a read without More"
	buffersAreShared   fault = "a read hands out the log's own bytes"

	// Emptying.
	redactDropsPlace fault = "a redaction removes the place"
	redactsFirstOnly fault = "a redaction empties its first target only"
	redactedInTail   fault = "Tail shows what was redacted"
	emptyIsDropped   fault = "an entry without data has no place"
	eraseIsIgnored   fault = "an erasure does nothing"
	eraseByStream    fault = "an erasure forgets abouts"
	eraseIsForEver   fault = "an erasure hides what comes behind it"
	eraseIsForgotten fault = "an erasure is forgotten when the log is opened again"
	atShowsErased    fault = "At shows what was erased"
	sweepDoesNothing fault = "Sweep empties nothing"
	sweepHasNoLimit  fault = "Sweep ignores its limit"

	// Trim and reset.
	trimKeepsEdge     fault = "Trim keeps the record at before"
	trimTakesMore     fault = "Trim takes the record behind before"
	trimHasNoLimit    fault = "Trim ignores its limit"
	trimPassesHead    fault = "Trim raises the floor above the head"
	trimKeepsRecords  fault = "Trim keeps the records"
	floorStays        fault = "Trim leaves the floor"
	floorJumps        fault = "a Trim cut by its limit raises the floor all the way"
	resetKeepsRecords fault = "Reset keeps the records"
	resetKeepsEpoch   fault = "Reset keeps the epoch"
	resetKeepsErased  fault = "Reset keeps who was erased"

	// Epochs.
	newestEpochForAll     fault = "every id carries the newest epoch"
	throughHasNewestEpoch fault = "Through carries the newest epoch"
	epochIsMissed         fault = "an append does not note a new epoch"
	epochsAreForgotten    fault = "epochs are forgotten when the log is opened again"
	epochsAreNeverTrimmed fault = "epochs are kept for ever"
	resetForgetsOldEpochs fault = "Reset keeps the last epoch only"
	endIsIgnored          fault = "an epoch has no end"

	// Tail.
	wakeIsLost        fault = "some appends wake nobody"
	registersSecond   fault = "a tail reads first and registers second"
	tailSkips         fault = "a tail goes from a full batch to the head"
	tailDoubles       fault = "a tail repeats the last event of a full batch"
	tailSkipsGap      fault = "a tail overtaken by the floor goes on in silence"
	batchIsLarge      fault = "a batch of a tail has 257 events"
	internalNotInTail fault = "a tail leaves internal entries out"
)

var logFaults = []fault{
	repeatOverwrites, halfAppend, markIsLastRecord, contextIsIgnored,
	payloadEdge, keptTwice, clockIsKey, newestOnly, timeInSeconds,
	epochIsIgnored, futureIsTaken, gapAtFloor, gapBelowFloor, gapToHead,
	sinceIsIgnored, sinceIsIncluded, hiddenIsIgnored,
	hiddenIsActorOnly, fourthPersonIsLost, internalIsShown,
	internalIsUnmarked, byStream, byPrefix, limitIsIgnored, throughIsLast,
	throughIsNext, moreIsMissing, budgetIsTheEnd, buffersAreShared,
	redactDropsPlace, redactsFirstOnly, redactedInTail, emptyIsDropped,
	eraseIsIgnored, eraseByStream, eraseIsForEver, eraseIsForgotten, atShowsErased, sweepDoesNothing, sweepHasNoLimit,
	trimKeepsEdge, trimTakesMore, trimHasNoLimit, trimPassesHead, trimKeepsRecords, floorStays, floorJumps,
	resetKeepsRecords, resetKeepsEpoch, resetKeepsErased, wakeIsLost,
	registersSecond, tailSkips, tailDoubles, tailSkipsGap,
	batchIsLarge, internalNotInTail,
	newestEpochForAll, throughHasNewestEpoch, epochIsMissed, epochsAreForgotten, epochsAreNeverTrimmed,
	resetForgetsOldEpochs, endIsIgnored,
}

// recorder is a testing.TB that keeps what a case says instead of failing.
type recorder struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	messages []string
	cleanups []func()
}

func (r *recorder) say(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message)
}

func (r *recorder) Error(args ...any)                 { r.say(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.say(fmt.Sprintf(format, args...)) }
func (r *recorder) Fail()                             { r.say("failed") }
func (r *recorder) FailNow()                          { r.say("failed"); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
func (r *recorder) Log(...any)                        {}
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Context() context.Context          { return r.ctx }
func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages) > 0
}

// judge runs one case against a memory log in a bubble of its own, where waiting costs no time, and returns what the
// case found.
func judge(t *testing.T, c storagetest.LogCase, f fault) (found []string) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &recorder{TB: t, ctx: ctx}
		disks := map[string]*memoryDisk{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(r, func(_ testing.TB, dir string) storage.Log {
				if disks[dir] == nil {
					disks[dir] = newMemoryDisk()
				}
				return openMemory(disks[dir], f)
			})
		}()
		<-done
		cancel()
		for i := len(r.cleanups) - 1; i >= 0; i-- {
			r.cleanups[i]()
		}
		synctest.Wait()
		found = r.messages
	})
	return found
}

// TestLogKit runs the kit against a log that is right.
func TestLogKit(t *testing.T) {
	for _, c := range storagetest.LogCases() {
		t.Run(c.Name, func(t *testing.T) {
			for _, message := range judge(t, c, noFault) {
				t.Errorf("the kit refuses a log that is right: %s", message)
			}
		})
	}
}

// TestLogMutants runs the kit against logs with one fault each: every one has to be found by a case made for it. (With
// the named cases taken away the model alone finds 40 of 57, so it is asked last.)
func TestLogMutants(t *testing.T) {
	for _, f := range logFaults {
		t.Run(strings.ReplaceAll(string(f), " ", "-"), func(t *testing.T) {
			for _, c := range storagetest.LogCases() {
				if c.Name == "model" {
					continue
				}
				if found := judge(t, c, f); len(found) > 0 {
					t.Logf("%s: %s", c.Name, found[0])
					return
				}
			}
			t.Errorf("no case of the kit sees it: %s", f)
		})
	}
}
