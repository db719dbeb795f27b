package pipeline

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

const (
	maxRetryAfter = 24 * time.Hour // bounds what an endpoint may ask for
	maxDetail     = 200            // bytes of an attempt's detail
)

// verdict is what one attempt means for its delivery and its endpoint.
type verdict struct {
	attempt Attempt
	blocked bool          // what it was aimed at is not public, whatever its owner is told
	state   string        // of the delivery
	wait    time.Duration // until the next attempt, when pending
	disable string        // why the endpoint is switched off; "" = it is not
}

// judge reads the error of Send. d is the delivery before this attempt; random (0..1) moves the wait.
func (c Config) judge(e endpoint, d delivery, err error, now social.Time, random float64) verdict {
	v := verdict{state: stateSucceeded, attempt: Attempt{Number: d.attempts + 1, Outcome: outcomeOK}}
	if err == nil {
		return v
	}
	v.attempt.Outcome, v.attempt.HTTPStatus, v.attempt.Detail = outcomeOf(err)
	v.blocked = errors.Is(err, plugins.ErrBlockedAddress)
	v.state = stateDead
	switch {
	case plugins.IsGone(err):
		v.disable = disabledGone
	case plugins.IsPermanent(err) || d.EventType == eventTest || d.tries >= len(c.Schedule):
	default:
		v.state = statePending
		v.wait = time.Duration(float64(c.Schedule[d.tries]) * (1 + c.Jitter*(2*random-1)))
		if after, ok := plugins.After(err); ok {
			v.wait = max(v.wait, min(after, maxRetryAfter))
		}
	}
	if v.disable == "" && e.FailingSince != nil && now.Sub(*e.FailingSince) >= c.DisableAfter {
		v.disable = disabledFailing
	}
	return v
}

// outcome is the word for the operator.
func (v verdict) outcome() string {
	if v.blocked {
		return outcomeBlocked
	}
	return v.attempt.Outcome
}

// outcomeOf is how an error is shown to the owner of the endpoint. Only what a channel says for this purpose is
// shown: the text of any other error stays inside.
func outcomeOf(err error) (outcome string, status *int, detail string) {
	var o plugins.Outcome
	switch {
	case errors.As(err, &o):
		name, code, text := o.Outcome()
		if code != 0 {
			status = &code
		}
		if len(text) > maxDetail {
			text = strings.ToValidUTF8(text[:maxDetail], "")
		}
		return known(name), status, text
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", nil, "no answer in time"
	case errors.Is(err, plugins.ErrBlockedAddress):
		return outcomeBlocked, nil, "the address is not public"
	case plugins.IsPermanent(err):
		return "permanent", nil, "refused for good"
	}
	return outcomeChannel, nil, "the channel could not send it"
}
