package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The pace that an upload has to keep (H12): a while to begin, then so many bytes a second, and an end.
const (
	paceGrace   = 10 * time.Second
	paceBytes   = 1 << 10 // a second
	uploadTime  = 15 * time.Minute
	maxParts    = 16
	spoolPrefix = "upload-"
)

// receive reads the form of an upload: its file into a file on disk, which nobody finds by name, and its fields. After
// an error the rest of the form is not read, and the connection ends.
func (s *Server) receive(c *fiber.Ctx, form social.UploadForm, limit int64) (u *social.Upload, err error) {
	defer func() {
		if err != nil {
			c.Context().SetConnectionClose()
		}
	}()
	media, params, err := mime.ParseMediaType(string(c.Request().Header.ContentType()))
	if err != nil || media != fiber.MIMEMultipartForm || params["boundary"] == "" ||
		len(c.Request().Header.ContentEncoding()) > 0 {
		return nil, social.NewFault(social.CodeUnsupportedMediaType, "Send a form, multipart/form-data.")
	}
	var body io.Reader
	again, diverted := c.Context().Conn().(*replayed)
	switch {
	case !diverted: // by another way to write the path; so it is a small one
		body = bytes.NewReader(c.Body())
	case again.size > limit:
		return nil, routerFault(fiber.StatusRequestEntityTooLarge)
	default:
		if body, err = again.body(); err != nil {
			return nil, err
		}
	}
	paced := &pace{from: io.LimitReader(body, limit+1), conn: c.Context().Conn(), limit: limit,
		least: func() int64 { return s.slots.pace(form) },
		began: time.Now()} //nolint:forbidigo // the deadlines of sockets are the system's time
	r := &receiver{form: form, sum: sha256.New(), dir: s.spool, out: &social.Upload{Fields: map[string]string{}}}
	if err := r.read(multipart.NewReader(paced, params["boundary"]), paced); err != nil {
		r.drop()
		return nil, paced.fault(err)
	}
	if _, err := io.Copy(io.Discard, paced); err != nil { // what may follow the last boundary
		r.drop()
		return nil, paced.fault(err)
	}
	if diverted {
		again.allRead()
	}
	r.out.Sum = r.sum.Sum(nil)
	return r.out, nil
}

// withUpload receives the form of an operation that takes one; nil for any other. end gives back the file and the slot
// it needs, unless the handler kept the file: then closing it does.
func (s *Server) withUpload(c *fiber.Ctx, op *huma.Operation,
	a social.Actor) (u *social.Upload, end func(), err error) {
	form, ok := op.Metadata[social.MetaUpload].(social.UploadForm)
	if !ok {
		return nil, func() {}, nil
	}
	limit := s.detour.limits[c.Path()]
	from := uploader{person: a.UserID, address: sharedBy(social.AddressFrom(c.UserContext())), bytes: limit}
	if again, ok := c.Context().Conn().(*replayed); ok && again.size >= 0 {
		from.bytes = min(again.size, limit)
	}
	back, err := s.slots.take(from, form, s.roomFor)
	if err != nil {
		return nil, nil, err
	}
	if u, err = s.receive(c, form, limit); err != nil {
		back()
		return nil, nil, err
	}
	f := u.File.(*spooled)
	f.back = back
	return u, f.done, nil
}

// roomFor refuses what the last room of the disk is not for.
func (s *Server) roomFor(bytes int64) error {
	if s.quota == nil || s.quota.RoomFor(bytes) {
		return nil
	}
	return s.quota.Refuse()
}

// pace reads a form as long as it comes fast enough and is not too long.
type pace struct {
	from  io.Reader
	conn  net.Conn
	began time.Time
	least func() int64 // bytes a second
	limit int64
	read  int64
	late  bool
	most  int64 // bytes that may be read by the next part's content; 0 = all
}

func (p *pace) Read(b []byte) (int, error) {
	deadline := min(paceGrace+time.Duration(p.read)*time.Second/time.Duration(p.least()), uploadTime)
	if err := p.conn.SetReadDeadline(p.began.Add(deadline)); err != nil {
		return 0, err
	}
	n, err := p.from.Read(b)
	p.read += int64(n)
	p.late = p.late || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case p.read > p.limit:
		return n, routerFault(fiber.StatusRequestEntityTooLarge)
	case p.most > 0 && p.read > p.most:
		return n, malformed("The head of a part is too long.")
	}
	return n, err
}

// heads bounds what is read until the content of the next part begins, which multipart.Reader would hold in memory.
func (p *pace) heads() { p.most = p.read + 2*formRoom }

// fault names what ended a form early.
func (p *pace) fault(err error) error {
	var known *social.Fault
	switch {
	case p.late:
		return routerFault(fiber.StatusRequestTimeout)
	case p.read > p.limit:
		return routerFault(fiber.StatusRequestEntityTooLarge)
	case errors.As(err, &known):
		return known
	case errors.Is(err, errSpool):
		return err
	}
	return malformed("The form is malformed or breaks off.") // its text may quote the form
}

// receiver takes a form apart.
type receiver struct {
	form social.UploadForm
	sum  hash.Hash
	dir  string
	out  *social.Upload
	bad  []social.Field
}

func (r *receiver) read(parts *multipart.Reader, paced *pace) error {
	for n := 0; ; n++ {
		paced.heads()
		part, err := parts.NextRawPart()
		paced.most = 0
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n == maxParts {
			return malformed("The form has too many parts.")
		}
		if err := r.part(part); err != nil {
			return err
		}
	}
	if r.out.File == nil && len(r.bad) == 0 {
		r.refuse(r.form.File, social.FieldRequired, "The file is missing.")
	}
	if len(r.bad) > 0 {
		return social.Invalid(r.bad...)
	}
	return nil
}

func (r *receiver) refuse(name string, code social.FieldCode, detail string) {
	r.bad = append(r.bad, social.Field{In: "form", Pointer: "/" + jsonPointer([]string{name})[1:], Code: code,
		Detail: detail})
}

// part reads one part. What is refused is read to its end, so that all refusals come together; a file is not.
func (r *receiver) part(part *multipart.Part) error {
	name := part.FormName()
	field, text := r.form.Fields[name]
	_, twice := r.out.Fields[name]
	switch {
	case name == r.form.File && r.out.File != nil || text && twice:
		r.refuse(name, social.FieldDuplicate, "Give this part once.")
	case name == r.form.File:
		return r.file(part)
	case text:
		return r.text(name, field.Max, part)
	case utf8.ValidString(name):
		r.refuse(name, social.FieldUnknown, "There is no such part: there are "+r.form.File+", "+
			strings.Join(slices.Sorted(maps.Keys(r.form.Fields)), ", ")+".")
	default:
		return malformed("The form is malformed.")
	}
	_, err := io.Copy(io.Discard, part)
	return err
}

func (r *receiver) text(name string, most int, part *multipart.Part) error {
	b, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
	if err != nil {
		return err
	}
	value := norm.NFC.String(string(b))
	switch {
	case len(b) > most:
		r.refuse(name, social.FieldTooLong, fmt.Sprintf("At most %d bytes.", most))
	case !utf8.Valid(b) || strings.ContainsFunc(value, isControl):
		r.refuse(name, social.FieldBadFormat, "UTF-8 without control characters.")
	}
	r.out.Fields[name] = value
	r.note(name, int64(len(b)))
	_, _ = r.sum.Write(b)
	_, err = io.Copy(io.Discard, part)
	return err
}

// note puts into the sum what follows, so that no two forms have the same one.
func (r *receiver) note(name string, size int64) {
	_, _ = r.sum.Write(binary.BigEndian.AppendUint64(append([]byte(name), 0), uint64(size))) //nolint:gosec // not negative
}

// errSpool marks errors of the disk.
var errSpool = errors.New("keep an upload")

func (r *receiver) file(part *multipart.Part) error {
	f, err := os.CreateTemp(r.dir, spoolPrefix)
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, noRoom(err))
	}
	kept := &spooled{File: f}
	r.out.File = kept
	kept.gone = os.Remove(f.Name()) == nil // from here on it goes with the process; not everywhere can it be done
	digest := sha256.New()
	to := &faulty{to: f}
	n, err := io.Copy(io.MultiWriter(to, digest), io.LimitReader(part, r.form.MaxBytes+1))
	switch {
	case to.err != nil:
		return fmt.Errorf("%w: %w", errSpool, noRoom(to.err))
	case err != nil:
		return err
	case n > r.form.MaxBytes:
		return routerFault(fiber.StatusRequestEntityTooLarge)
	}
	r.note(part.FormName(), n)
	_, _ = r.sum.Write(digest.Sum(nil))
	r.out.Size = n
	_, err = f.Seek(0, io.SeekStart)
	return err
}

func (r *receiver) drop() {
	if r.out.File != nil {
		_ = r.out.File.Close()
	}
}

// noRoom names a disk without room as the stores do.
func noRoom(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	}
	return err
}

// faulty keeps an error of writing, which is ours and not the client's.
type faulty struct {
	to  io.Writer
	err error
}

func (f *faulty) Write(b []byte) (n int, err error) {
	n, err = f.to.Write(b)
	f.err = err
	return n, err
}

// spooled is the file of a form.
type spooled struct {
	*os.File
	gone, kept bool
	back       func() // gives back the slot
}

func (f *spooled) Keep() { f.kept = true }

func (f *spooled) Close() error {
	err := f.File.Close()
	if !f.gone {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	if f.back != nil {
		f.back()
	}
	return err
}

// done is the end of the request.
func (f *spooled) done() {
	if !f.kept {
		_ = f.Close()
	}
}
