// Package webhook is the sender that posts notifications to an address a person gave, signed as Standard
// Webhooks (https://www.standardwebhooks.com) says. It makes one attempt and judges the answer; retries, their schedule
// and their rows are the host's.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// Config is the section channels.webhook.
type Config struct {
	Enabled      bool          `yaml:"enabled"`
	AllowHTTP    bool          `yaml:"allow_http"`    // endpoints may be plain http
	AllowPrivate bool          `yaml:"allow_private"` // endpoints may be on private addresses and any port
	Timeout      time.Duration `yaml:"timeout"`       // one attempt in all
}

func (c Config) Validate() error {
	if c.Timeout <= 0 || c.Timeout > time.Minute {
		return errors.New("timeout: must be above 0 and at most 1m")
	}
	return nil
}

// Factory makes the channel.
var Factory = plugins.Define("webhook", Config{Enabled: true, Timeout: 15 * time.Second}, New)

// Module adds the channel to a program.
var Module = plugins.Provide(Factory)

const (
	// maxAnswer is how much of an answer is read and thrown away, so that the connection can be used again.
	maxAnswer = 64 << 10
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = 24 * time.Hour
)

// Channel posts deliveries. It holds no state.
type Channel struct {
	cfg       Config
	clock     social.Clock
	client    *http.Client
	userAgent string
}

// New makes the channel. Every connection goes through the host's guarded dialer; redirects are not followed, no
// proxy is taken from the environment, nothing is unpacked.
func New(cfg Config, env plugins.Env) (plugins.Channel, error) {
	// A connection is for one attempt, since what is open to one address is counted.
	client := &http.Client{
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            env.Dial(cfg.AllowPrivate),
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			DisableKeepAlives:      true, // an idle connection would hold a place at its address
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
	agent := "Belfry/" + env.Version + " (+" + env.PublicURL + ")"
	return &Channel{cfg: cfg, clock: env.Clock, userAgent: agent, client: client}, nil
}

// Start does nothing: connections are made when there is something to send.
func (c *Channel) Start(context.Context) error { return nil }

func (c *Channel) Stop(context.Context) error { return nil }

// Target is the host of the address, over all ports.
func (c *Channel) Target(raw json.RawMessage) string {
	var s settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return ""
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

// Send makes one attempt. Each attempt has a timestamp and signature of its own; the id stays.
func (c *Channel) Send(ctx context.Context, d plugins.Delivery) error {
	var s settings
	if err := json.Unmarshal(d.Settings, &s); err != nil {
		return plugins.Permanent(errors.New("the endpoint's settings cannot be read"))
	}
	var conn net.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conn = i.Conn }})
	defer func() {
		if conn != nil {
			_ = conn.Close() // the transport does so later, and until then its place at the address is taken
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(d.Event))
	if err != nil {
		return plugins.Permanent(errors.New("the endpoint's address cannot be read"))
	}
	if err := c.sign(req, d); err != nil {
		return plugins.Permanent(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return failure(err, req.URL.Hostname())
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status decides, whatever the body does
	return c.judge(resp)
}

// sign sets the headers of Standard Webhooks. During a rotation both secrets sign.
func (c *Channel) sign(req *http.Request, d plugins.Delivery) error {
	now := c.clock()
	signatures := make([]string, 0, len(d.Secrets))
	for _, secret := range d.Secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return errors.New("the endpoint's signing secret cannot be read")
		}
		signature, err := w.Sign(d.ID.String(), now, d.Event)
		if err != nil {
			return errors.New("signing failed")
		}
		signatures = append(signatures, signature)
	}
	req.Header = http.Header{"User-Agent": {c.userAgent}, "Content-Type": {"application/json"},
		"webhook-id":        {d.ID.String()}, // spelled as the specification does
		"webhook-timestamp": {strconv.FormatInt(now.Unix(), 10)},
		"webhook-signature": {strings.Join(signatures, " ")}}
	return nil
}

func (c *Channel) judge(resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	err := &sendError{"http_status", resp.StatusCode, strings.ToLower(http.StatusText(resp.StatusCode)), nil}
	switch resp.StatusCode {
	case http.StatusGone:
		return plugins.Gone(err)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if wait, ok := retryAfter(resp.Header.Get("Retry-After"), c.clock()); ok {
			return plugins.RetryAfter(err, wait)
		}
	}
	return err
}

// retryAfter reads the header's two forms (RFC 9110, 10.2.3), cut to a day.
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

var (
	_ plugins.Sender   = (*Channel)(nil)
	_ plugins.Targeter = (*Channel)(nil)
)
