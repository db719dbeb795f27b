package media

import (
	"context"
	"errors"

	"github.com/belfry-social/belfry/modules/media/files"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// File is a file that belongs to a picture that is shown.
type File struct {
	Name string
	Size int64
}

// Store is where the files are.
func (s *Service) Store() (files.Store, error) { return s.store() }

// Elsewhere names the place of the files where that is not this machine; "" = it is.
func (s *Service) Elsewhere() string {
	if s.cfg.Store != "s3" {
		return ""
	}
	return "s3: bucket " + s.cfg.S3.Bucket + " at " + s.cfg.S3.Endpoint
}

// Hold lets no file be removed until release is called, so that whoever copies a database finds its files.
func (s *Service) Hold() (release func()) {
	s.removing.Lock()
	return s.removing.Unlock
}

// Files gives the files of all pictures that are shown, in the order of their names.
func (s *Service) Files(ctx context.Context, q storage.Querier, each func(File) error) error {
	for after := ""; ; {
		list, err := storage.All(ctx, q, scan, `SELECT `+columns+` FROM media WHERE state = 1 AND gone_at = 0 AND token > $1
			ORDER BY token LIMIT $2`, after, sweepPage)
		if err != nil || len(list) == 0 {
			return social.Wrap(err, "media: files")
		}
		for _, p := range list {
			for i, name := range p.names() {
				if err := each(File{name, []int64{p.bytes, p.small}[i]}); err != nil {
					return err
				}
			}
		}
		after = list[len(list)-1].token
	}
}

// Checked is what a look at all files has found.
type Checked struct {
	Files   int
	Missing []string // the first of those that are not there, or are of another size
	Extra   []string // the first of those that belong to no picture
	missing int
}

// Whole reports that nothing is missing.
func (c Checked) Whole() bool { return c.missing == 0 }

// maxTold is how many names Checked has of each.
const maxTold = 5

// Check compares the files with the rows. A picture that comes or goes meanwhile may be told as missing or extra: it is
// for a site at rest, or to be done twice.
func (s *Service) Check(ctx context.Context) (c Checked, err error) {
	store, err := s.store()
	if err != nil {
		return c, err
	}
	there := map[string]int64{}
	if err := store.List(ctx, func(e files.Entry) error { there[e.Name] = e.Size; return nil }); err != nil {
		return c, social.Wrap(err, "media: list the files")
	}
	err = s.db.Read(ctx, func(q storage.Querier) error {
		err := s.Files(ctx, q, func(f File) error {
			if size, ok := there[f.Name]; !ok || size != f.Size {
				c.missing++
				c.Missing = append(c.Missing[:min(len(c.Missing), maxTold-1)], f.Name)
			}
			delete(there, f.Name)
			c.Files++
			return nil
		})
		for name := range there {
			if err == nil && len(c.Extra) < maxTold {
				err = s.extra(ctx, q, name, &c)
			}
		}
		return err
	})
	return c, social.Wrap(err, "media: check")
}

// extra notes a file if no row has it, in whatever state.
func (s *Service) extra(ctx context.Context, q storage.Querier, name string, c *Checked) error {
	const tokenLen = 22
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM media WHERE token = $1`, name[:min(len(name), tokenLen)]).Scan(&one)
	found, err := storage.Found(err)
	if err == nil && !found {
		c.Extra = append(c.Extra, name)
	}
	return err
}

// Lost reports whether an error says that a file is not there.
func Lost(err error) bool { return errors.Is(err, files.ErrAbsent) }
