package media

import (
	"context"
	"math"

	"github.com/belfry-social/belfry/modules/media/picture"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// row is one picture.
type row struct {
	id, owner     social.ID
	token, ext    string
	state         int
	mime          string
	bytes, small  int64
	width, height int
	blurhash      *string
	alt           string
	focus         social.Focus
	used          int
	post          social.ID
	goneAt        int64
	createdAt     social.Time
}

// The stored numbers of states and uses.
const (
	inWork, ready, failed               = 0, 1, 2
	usedNot, usedPost, usedNow, usedOld = 0, 1, 2, 3
)

var states = [...]string{social.MediaProcessing, social.MediaReady, social.MediaFailed}

const columns = `id, owner_id, token, ext, state, mime, bytes, small, width, height, blurhash, alt, focus_x, focus_y,
	used_as, post_id, gone_at, created_at`

// standing: shown to whoever may see it.
const standing = `gone_at = 0 AND owner_id NOT IN (SELECT user_id FROM media_leavers)`

func scan(found storage.Row) (p row, err error) {
	var x, y int64
	err = found.Scan(&p.id, &p.owner, &p.token, &p.ext, &p.state, &p.mime, &p.bytes, &p.small, &p.width, &p.height,
		&p.blurhash, &p.alt, &x, &y, &p.used, &p.post, &p.goneAt, &p.createdAt)
	p.focus = social.Focus{X: float64(x) / focusParts, Y: float64(y) / focusParts}
	return p, err
}

// focusParts is how finely a focus is kept.
const focusParts = 10_000

func parts(v float64) int64 { return int64(math.Round(v * focusParts)) }

// media is the picture as posts keep it: its addresses are those of files on this site.
func (p row) media() social.Media {
	m := social.Media{ID: p.id, Kind: "image", State: states[p.state], MIME: p.mime, Bytes: p.bytes, Width: p.width,
		Height: p.height, Alt: p.alt, Focus: p.focus, CreatedAt: p.createdAt}
	if p.state == ready {
		full, small := p.token+"/"+fullName+p.ext, p.token+"/"+smallName+p.ext
		m.URL, m.PreviewURL, m.Blurhash = &full, &small, p.blurhash
	}
	return m
}

// names are those of its files in the store. Of one that is not ready the kind is not known.
func (p row) names() (list []string) {
	exts := []string{p.ext}
	if p.ext == "" {
		exts = []string{"jpg", "png"}
	}
	for _, ext := range exts {
		list = append(list, stored(p.token, fullName+ext), stored(p.token, smallName+ext))
	}
	return list
}

func insertRow(ctx context.Context, tx storage.Tx, p row) error {
	_, err := tx.Exec(ctx, `INSERT INTO media (id, owner_id, token, ext, state, mime, bytes, small, width, height, alt,
		focus_x, focus_y, created_at) VALUES ($1, $2, $3, '', 0, $4, 0, 0, $5, $6, $7, $8, $9, $10)`, p.id, p.owner, p.token,
		p.mime, p.width, p.height, p.alt, parts(p.focus.X), parts(p.focus.Y), int64(p.createdAt))
	return err
}

// finishRow makes a picture ready, and gives it. One that went meanwhile counts as failed, so that its files are found.
func finishRow(ctx context.Context, tx storage.Tx, id social.ID, m picture.Made) (row, error) {
	_, err := tx.Exec(ctx, `UPDATE media SET state = CASE WHEN `+standing+` THEN 1 ELSE 2 END, ext = $2, mime = $3,
		bytes = $4, small = $5, width = $6, height = $7, blurhash = $8 WHERE id = $1`, id, m.Ext, m.Type, len(m.Full),
		len(m.Small), m.Width, m.Height, m.Blurhash)
	if err != nil {
		return row{}, err
	}
	return byID(ctx, tx, id)
}

func failRow(ctx context.Context, tx storage.Tx, id social.ID) error {
	_, err := tx.Exec(ctx, `UPDATE media SET state = 2 WHERE id = $1 AND state = 0`, id)
	return err
}

func markGone(ctx context.Context, tx storage.Tx, id social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE media SET gone_at = $2 WHERE id = $1 AND gone_at = 0`, id, int64(now))
	return err
}

func describe(ctx context.Context, tx storage.Tx, p row) error {
	_, err := tx.Exec(ctx, `UPDATE media SET alt = $2, focus_x = $3, focus_y = $4 WHERE id = $1`, p.id, p.alt,
		parts(p.focus.X), parts(p.focus.Y))
	return err
}

func use(ctx context.Context, tx storage.Tx, id social.ID, as int, post social.ID) error {
	_, err := tx.Exec(ctx, `UPDATE media SET used_as = $2, post_id = $3 WHERE id = $1`, id, as, post)
	return err
}

// byToken gives a picture that is ready.
func byToken(ctx context.Context, q storage.Querier, token string) (row, error) {
	return scan(q.QueryRow(ctx, `SELECT `+columns+` FROM media WHERE token = $1 AND state = 1 AND `+standing, token))
}

func byID(ctx context.Context, q storage.Querier, id social.ID) (row, error) {
	return scan(q.QueryRow(ctx, `SELECT `+columns+` FROM media WHERE id = $1`, id))
}

// ownRow gives a picture to its owner. An avatar of before is not theirs any more.
func ownRow(ctx context.Context, q storage.Querier, owner, id social.ID) (row, error) {
	return scan(q.QueryRow(ctx, `SELECT `+columns+` FROM media WHERE id = $1 AND owner_id = $2 AND used_as <> 3 AND `+
		standing, id, owner))
}
