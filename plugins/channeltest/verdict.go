package channeltest

import (
	"time"

	"github.com/belfry-social/belfry/plugins"
)

// Verdict is what the host makes of an error of Send.
type Verdict string

// The verdicts.
const (
	Taken    Verdict = "taken"      // delivered
	Again    Verdict = "again"      // tried again after backoff
	GivenUp  Verdict = "given up"   // never again
	EndpGone Verdict = "gone"       // given up, the endpoint is switched off
	Later    Verdict = "not before" // again, not before the wait asked for
)

// Judge tells the verdict and the wait of an error of Send.
func Judge(err error) (Verdict, time.Duration) {
	switch wait, later := plugins.After(err); {
	case err == nil:
		return Taken, 0
	case plugins.IsGone(err):
		return EndpGone, 0
	case plugins.IsPermanent(err):
		return GivenUp, 0
	case later:
		return Later, wait
	default:
		return Again, 0
	}
}
