package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/backup"
	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

const (
	// backupFile is the copy of the database that a backup is made of. It stands in the data directory meanwhile.
	backupFile = sqlite.FileName + ".backup"
	// backupPatience is how long whoever takes a backup from a server may take nothing.
	backupPatience = time.Minute
	tarType        = "application/x-tar"
)

// backup writes a backup of the open database to what begin gives; begin is called when the copy is made and found to
// be sound, so nothing has been written after an error before it. The writer of the store is not held up. One backup at
// a time: each needs room for a copy.
func (c *commands) backup(ctx context.Context, begin func() io.Writer) error {
	if !c.backing.TryLock() {
		return errors.New("another backup is being made; try again when it is done")
	}
	defer c.backing.Unlock()
	path := filepath.Join(c.stores.cfg.Data, backupFile)
	if err := removeDatabase(path); err != nil { // of a process that died
		return err
	}
	if c.media != nil {
		defer c.media.Hold()()
	}
	m, err := c.copyStore(ctx, path)
	if err == nil {
		err = backup.Write(begin(), m, func(f backup.File) (io.ReadCloser, error) {
			if f.Name == backup.Database {
				return os.Open(path)
			}
			return c.openMedia(ctx, f.Name)
		})
	}
	return errors.Join(err, removeDatabase(path))
}

// copyStore makes the copy and describes it.
func (c *commands) copyStore(ctx context.Context, path string) (m backup.Manifest, err error) {
	db, ok := c.stores.db.DB.(interface {
		Copy(ctx context.Context, path string) error
	})
	if !ok {
		return m, errors.New("this database is backed up with its own tools")
	}
	m = backup.Manifest{Format: 1, Program: Version(), MadeAt: c.clock.Now()}
	if err := db.Copy(ctx, path); err != nil {
		return m, err
	}
	made, err := sqlite.Open(ctx, sqlite.Config{Path: path, Readers: 1})
	if err != nil {
		return m, err
	}
	if err = made.Check(ctx); err == nil {
		m.Tables, m.Floor, err = contents(ctx, made)
	}
	if err == nil {
		err = c.sumMedia(ctx, made, &m)
	}
	if err = errors.Join(err, made.Close()); err != nil {
		return m, err
	}
	file, err := backup.Sum(backup.Database, path)
	m.Files = append([]backup.File{file}, m.Files...)
	return m, err
}

// contents is what a restored database is compared by.
func contents(ctx context.Context, db *sqlite.DB) (tables map[string]backup.Table, floor int64, err error) {
	counted, err := db.Tables(ctx)
	if err != nil {
		return nil, 0, err
	}
	tables = make(map[string]backup.Table, len(counted))
	for name, t := range counted {
		tables[name] = backup.Table(t)
	}
	err = db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT floor FROM log_state WHERE id = 1`).Scan(&floor)
	})
	return tables, floor, err
}

// removeDatabase removes a database and what may stand beside it.
func removeDatabase(path string) error {
	var errs []error
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sendBackup answers a backup asked for through the socket: a tar, or a commandReply with the error. A tar that breaks
// off ends the connection without its last chunk, so the other side knows. It ends when that side goes away, takes
// nothing for too long, or the server stops.
func (c *commands) sendBackup(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-c.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	log := c.stores.zap.Named("backup")
	sent := &sentTo{w: w, control: http.NewResponseController(w)}
	err := c.backup(ctx, func() io.Writer {
		w.Header().Set("Content-Type", tarType)
		return sent
	})
	switch {
	case err == nil:
		log.Info("backup handed over", zap.Int64("bytes", sent.bytes))
	case sent.bytes == 0:
		log.Warn("no backup was made", zap.Error(err))
		_ = json.NewEncoder(w).Encode(commandReply{Error: err.Error()}) // the command may have been given up
	default:
		log.Warn("a backup broke off", zap.Error(err), zap.Int64("bytes", sent.bytes))
		panic(http.ErrAbortHandler)
	}
}

// sentTo is an answer whose reader has a time for each piece.
type sentTo struct {
	w       http.ResponseWriter
	control *http.ResponseController
	bytes   int64
}

func (s *sentTo) Write(p []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(backupPatience)); err != nil {
		return 0, err
	}
	n, err := s.w.Write(p)
	s.bytes += int64(n)
	return n, err
}

// backup is cli.Program.Backup.
func (s *shell) backup(ctx context.Context, f cli.Flags, to string, told cli.Told) (string, error) {
	c, _, err := s.load(f)
	if err != nil {
		return "", err
	}
	if to == "-" && isTerminal(s.streams.Out) {
		return "", errors.New("a backup is no text for a terminal; name a file, or send it to one")
	}
	told("copying the database", 0, 0)
	open := func() (io.ReadCloser, error) { return s.openBackup(ctx, f, c.Storage.Data) }
	m, err := backup.Save(to, s.streams.Out, open, sqlite.Room, backup.Told(told))
	if err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	if err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	return fmt.Sprintf("%s: a backup of %s", to, inWords(m)), nil
}

// inWords tells what is in a backup.
func inWords(m backup.Manifest) string {
	rows := int64(0)
	for _, t := range m.Tables {
		rows += t.Rows
	}
	return fmt.Sprintf("%s, %.1f MB, %d rows in %d tables", m.MadeAt, float64(m.Size())/1e6, rows, len(m.Tables))
}

// openBackup gives the tar: of a running server, or made in this process.
func (s *shell) openBackup(ctx context.Context, f cli.Flags, data string) (io.ReadCloser, error) {
	resp, err := askSocket(ctx, filepath.Join(data, socketFile), cli.Backup, json.RawMessage(`{}`))
	if errors.Is(err, errNobody) {
		made := backup.Stream(func(w io.Writer) error {
			return s.here(ctx, f, func(c *commands) error {
				if err := c.openSite(ctx, s.streams.Err, false); err != nil {
					return err
				}
				return c.backup(ctx, func() io.Writer { return w })
			})
		})
		context.AfterFunc(ctx, func() { _ = made.Close() }) // which ends the writing
		return made, nil
	}
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("Content-Type") == tarType {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var out commandReply
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return nil, unanswered(err)
	}
	return nil, errors.New(out.Error)
}
