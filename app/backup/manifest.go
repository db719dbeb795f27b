package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// Format is the version of the form. It grows when an older program could not restore what a newer one writes; new
// members that it may pass over do not count. Form 1 has the database alone; form 2 has files of pictures behind it. A
// backup without pictures is of form 1.
const Format = 2

const (
	// Database is the name of the database in a backup.
	Database = "belfry.db"
	// manifestName is the first file of a tar, and in a directory the one that is written last.
	manifestName = "manifest.json"
	// MediaDir is before the name of each file of a picture.
	MediaDir = "media/"
	// maxManifest bounds the manifest, which is held in memory: it has room for 300,000 files.
	maxManifest = 64 << 20
)

// Manifest says what a backup holds. It has no secrets and no content.
type Manifest struct {
	Format  int              `json:"format"`
	Program string           `json:"program"` // the version that made it
	MadeAt  social.Time      `json:"made_at"`
	Files   []File           `json:"files"`
	Tables  map[string]Table `json:"tables"` // of the database
	Floor   int64            `json:"floor"`  // announcements up to here may be trimmed
	// Elsewhere names the place that keeps the files of pictures, where that is not the data directory.
	Elsewhere string `json:"elsewhere,omitempty"`
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

// Table is what is counted of a table.
type Table struct {
	Rows int64 `json:"rows"`
	// Highest is the highest number ever given to a row by a table that never gives one twice, else 0.
	Highest int64 `json:"highest,omitempty"`
}

// Size is the number of bytes of all files.
func (m Manifest) Size() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// readManifest reads and checks one. A backup that a newer program made may be of a form that is not known here.
func readManifest(r io.Reader) (m Manifest, err error) {
	text, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	switch {
	case err != nil:
		return m, damaged(err)
	case len(text) > maxManifest:
		err = fmt.Errorf("it has more than %d bytes", maxManifest)
	default:
		err = json.Unmarshal(text, &m)
	}
	if err == nil && m.Format > Format {
		return m, fmt.Errorf("the backup is of form %d, made by Belfry %q, and this program knows form %d: "+
			"take a newer program", m.Format, m.Program, Format)
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrDamaged, manifestName, err)
	}
	return m, nil
}

func (m Manifest) check() error {
	if m.Format < 1 {
		return errors.New("it names no form")
	}
	if len(m.Files) == 0 || m.Files[0].Name != Database || len(m.Files) > 1 && m.Format < 2 ||
		slices.ContainsFunc(m.Files[1:], func(f File) bool { return !mediaName.MatchString(f.Name) }) {
		return fmt.Errorf("a backup of this form holds %s, and files of pictures in form 2, and nothing else; it names %q",
			Database, m.names())
	}
	for i := range m.Files[1:] {
		if m.Files[i].Name >= m.Files[i+1].Name && i > 0 {
			return fmt.Errorf("%s is not behind %s", m.Files[i+1].Name, m.Files[i].Name)
		}
	}
	for _, f := range m.Files {
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != 32 || strings.ToLower(f.SHA256) != f.SHA256 {
			return fmt.Errorf("the sum of %s is no SHA-256", f.Name)
		}
		if f.Size < 0 {
			return fmt.Errorf("the size of %s is %d", f.Name, f.Size)
		}
	}
	return nil
}

// mediaName is what the name of a file of a picture looks like: no path leads out of a directory by it.
var mediaName = regexp.MustCompile(`^media/[A-Za-z0-9_-][A-Za-z0-9_.-]{2,99}$`)

// names are those of the first files.
func (m Manifest) names() []string {
	var names []string
	for _, f := range m.Files[:min(len(m.Files), 8)] {
		names = append(names, f.Name)
	}
	return names
}
