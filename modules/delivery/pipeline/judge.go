package pipeline

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// maxRetryAfter bounds what an endpoint may ask for.
const maxRetryAfter = 24 * time.Hour

// verdict is what one attempt means for its delivery and its endpoint.
type verdict struct {
	attempt Attempt
	state   string        // of the delivery
	wait    time.Duration // until the next attempt, when pending
	disable string        // why the endpoint is switched off; "" = it is not
}

// judge reads the error of Send. d is the delivery before this attempt.
func (c Config) judge(d delivery, err error, luck float64) verdict {
	v := verdict{state: stateSucceeded, attempt: Attempt{Number: d.attempts + 1, Outcome: "ok"}}
	if err == nil {
		return v
	}
	v.attempt.Outcome, v.attempt.HTTPStatus, v.attempt.Detail = outcomeOf(err)
	wait, again := c.wait(d.tries+1, luck)
	if after, ok := plugins.After(err); ok {
		wait = max(wait, min(after, maxRetryAfter))
	}
	switch {
	case plugins.IsGone(err):
		v.state, v.disable = stateDead, disabledGone
	case plugins.IsPermanent(err) || !again || d.eventType == eventTest:
		v.state = stateDead
	default:
		v.state, v.wait = statePending, wait
	}
	return v
}

// outcomeOf is how an error is shown to the owner of the endpoint. Only what a channel says for this purpose is
// shown: the text of any other error stays inside.
func outcomeOf(err error) (outcome string, status *int, detail string) {
	var o plugins.Outcome
	if errors.As(err, &o) {
		name, code, text := o.Outcome()
		if code != 0 {
			status = &code
		}
		return name, status, cut(text, 200)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", nil, "no answer in time"
	case errors.Is(err, plugins.ErrBlockedAddress):
		return "blocked_address", nil, "the address is not public"
	case plugins.IsPermanent(err):
		return "permanent", nil, "refused for good"
	}
	return "channel_error", nil, "the channel could not send it"
}

// failingTooLong reports that an endpoint has had nothing but failures for so long that it is switched off.
func (c Config) failingTooLong(e endpoint, now social.Time) bool {
	return e.failingSince != nil && now.Sub(*e.failingSince) >= c.DisableAfter
}

// cut shortens a text to n bytes of whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
