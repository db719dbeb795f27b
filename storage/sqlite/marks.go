package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/ncruces/go-sqlite3"
)

// marks tell whether a file and the write-ahead log beside it belong together, which SQLite cannot: it takes the log
// for the file's own, whatever moment the file is of.
//
// The file carries a random mark in its header, as user_version. The table file_marks, which SQLite reads through the
// log, holds those that the file may carry: the one it had when the log was begun, and those it may have been given
// since. For that, each checkpoint begins with a new mark of its own, and the first commit behind a checkpoint that has
// moved everything, with which SQLite begins the log anew, leaves the newest in the table and adds one. So the log
// always holds the table, and any file but those from which it can be replayed has a mark that is not there.
//
// A file copied while a checkpoint wrote it can carry the mark of the end and hold pages of the beginning: see 0059.
type marks struct {
	current int32 // the newest mark that was committed
	begin   bool  // everything is in the file, so the next commit begins a log
}

// headerMark is where a database file has its user_version, four bytes, most significant first
// (https://www.sqlite.org/fileformat2.html, 1.3).
const headerMark = 60

// markOf reads the mark that a file carries, without the log; 0 = none yet.
func markOf(path string) (int32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	var b [4]byte
	_, err = f.ReadAt(b[:], headerMark)
	if errors.Is(err, io.EOF) {
		err = nil // a new file
	}
	return int32(binary.BigEndian.Uint32(b[:])), errors.Join(err, f.Close()) //nolint:gosec // 32 bits either way
}

// openMarks takes the marks up, and refuses a file that does not belong to its log. Nothing was written since the file
// was opened.
func openMarks(c *conn, path string) (m marks, err error) {
	inFile, err := markOf(path)
	if err != nil {
		return m, err
	}
	var marked, known bool
	err = c.scan("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'file_marks')", &marked)
	if err == nil && marked {
		err = c.scan(fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM file_marks WHERE mark = %d)", inFile), &known)
	}
	if err != nil {
		return m, err
	}
	if marked && !known {
		return m, ErrMixed
	}
	pages, _, err := c.db.WALCheckpoint("", sqlite3.CHECKPOINT_NOOP)
	if err == nil {
		err = c.scan("PRAGMA user_version", &m.current)
	}
	m.begin = pages == 0
	return m, mapped(err)
}

// next gives the file a new mark as part of the transaction that is open. It counts when keep is called, behind the
// commit.
func (m *marks) next(c *conn) (keep func(), err error) {
	mark := rand.Int32() //nolint:gosec // it only has to be another one
	_, err = c.exec("CREATE TABLE IF NOT EXISTS file_marks (mark INTEGER PRIMARY KEY)")
	if err == nil && m.begin {
		_, err = c.exec("DELETE FROM file_marks WHERE mark <> $1", m.current)
	}
	if err == nil { // the current one is not there when the table is new
		_, err = c.exec("INSERT OR IGNORE INTO file_marks (mark) VALUES ($1), ($2)", m.current, mark)
	}
	if err == nil {
		err = mapped(c.db.Exec(fmt.Sprintf("PRAGMA user_version = %d", mark)))
	}
	return func() { m.current, m.begin = mark, false }, err
}
