package notifications

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Counts are how many groups a person has not seen and not read.
type Counts struct {
	Unseen int            `json:"unseen" doc:"Not shown in a list yet."`
	Unread int            `json:"unread" doc:"Not opened or marked yet."`
	Capped bool           `json:"capped" doc:"Counting stopped after 1000 of a type: there may be more."`
	ByType map[string]int `json:"by_type" doc:"The unread ones."`
}

// maxCount is where each figure stops.
const maxCount = 1000

func (c *Counts) add(name string, unread, unseen int) {
	if unread > 0 {
		c.ByType[name] += unread
	}
	c.Unread += unread
	c.Unseen += unseen
}

func (c *Counts) cap() {
	for name, n := range c.ByType {
		if n > maxCount {
			c.ByType[name], c.Capped = maxCount, true
		}
	}
	if c.Unread > maxCount {
		c.Unread, c.Capped = maxCount, true
	}
	if c.Unseen > maxCount {
		c.Unseen, c.Capped = maxCount, true
	}
}

// countQuery counts the unread groups of each type and how many of them are unseen. It looks at maxCount+1 rows of a
// type at most: those above the watermark that were not read one by one, and those left unread below it. The last figure
// is how many it looked at. $1 person, $2 read up to, $3 seen up to.
var countQuery = func() string {
	var b strings.Builder
	b.WriteString(`SELECT type, word, SUM(1 - gone), SUM(CASE WHEN gone = 0 AND seen_at IS NULL AND key > $3 THEN 1 ELSE 0 END),
		COUNT(*) FROM (`)
	arm := func(i int, where string) {
		b.WriteString(`SELECT type, word, key, seen_at, gone FROM (SELECT n.type, n.word, n.key, n.seen_at, ` + isGoneGroup +
			` AS gone FROM notifications n WHERE n.receiver_id = $1 AND n.state = 0 AND n.head = 1 AND ` + where +
			` ORDER BY n.key DESC LIMIT ` + strconv.Itoa(maxCount+1) + `) AS arm` + strconv.Itoa(i))
	}
	for i, kind := range storedTypes {
		arm(i, `n.type = '`+kind+`' AND n.read_at IS NULL AND n.key > $2`)
		b.WriteString(` UNION ALL `)
	}
	arm(len(storedTypes), `n.left_unread = 1 AND n.key <= $2`)
	b.WriteString(`) AS arms GROUP BY type, word`)
	return b.String()
}()

// counts counts for a person. Cost: at most maxCount+1 rows of each type, and twice as many derived items.
func (s *Service) counts(ctx context.Context, q storage.Querier, v *viewer) (Counts, error) {
	c := Counts{ByType: map[string]int{}}
	err := storage.Each(ctx, q, func(from storage.Row) error {
		var r row
		var unread, unseen, looked int
		if err := from.Scan(&r.kind, &r.word, &unread, &unseen, &looked); err != nil {
			return err
		}
		c.add(r.typeName(), unread, unseen)
		c.Capped = c.Capped || looked > maxCount
		return nil
	}, countQuery, v.person, v.marks.readKey, v.marks.seenKey)
	if err != nil {
		return c, fmt.Errorf("count notifications: %w", err)
	}
	if len(v.bells) > 0 {
		if err := s.countDerived(ctx, q, v, &c); err != nil {
			return c, err
		}
	}
	c.cap()
	return c, nil
}

// countDerived counts derived items: above the read watermark in rising order until there are more than maxCount,
// then, if what is unseen was not reached, from the seen watermark; and those left unread below.
func (s *Service) countDerived(ctx context.Context, q storage.Querier, v *viewer, c *Counts) error {
	all := span{low: -1, high: math.MaxInt64, rising: true, limit: maxCount + 1, scan: 2 * (maxCount + 1)}
	below, above := all, all
	below.high, above.low = v.marks.readKey+1, v.marks.readKey
	left, err := s.touchedPosts(ctx, q, v, leftPosts, below)
	if err != nil {
		return err
	}
	open, err := s.recentPosts(ctx, q, v, above, unread)
	if err != nil {
		return err
	}
	fresh := 0
	for i := range open.Items {
		if v.marks.seen(&open.Items[i]) == nil {
			fresh++
		}
	}
	c.Capped = c.Capped || left.Cut || open.Cut
	if len(open.Items) > maxCount { // there is more; what is unseen may lie behind it
		above.low, above.limit = max(open.Items[maxCount].key, v.marks.seenKey), maxCount+1-fresh
		more, err := s.recentPosts(ctx, q, v, above, unseen)
		if err != nil {
			return err
		}
		fresh += len(more.Items)
	}
	c.add(typePost, len(left.Items)+len(open.Items), fresh)
	return nil
}

// Counts counts a person's groups, derived items among them.
func (s *Service) Counts(ctx context.Context, person social.ID) (c Counts, err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		v, err := s.viewer(ctx, q, person)
		if err != nil {
			return err
		}
		c, err = s.counts(ctx, q, v)
		return err
	})
	return c, err
}
