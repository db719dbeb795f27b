package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
)

// spareFiles are the descriptors that connections leave to the program itself: stores, operator, deliveries.
const spareFiles = 64

// room is how many connections, streams among them, an open-file limit has room for; 0 = no limit.
func room(limit int) int { return limit - min(spareFiles, limit/4) }

// places is how many connections may be open at once, streams not counted: what the configuration says or, where
// descriptors are fewer, what streams leave of them, and half of them at least. So places run out before descriptors.
func places(limit int, cfg Config) int {
	if limit == 0 {
		return cfg.MaxConnections
	}
	return min(cfg.MaxConnections, max(room(limit)/2, room(limit)-cfg.MaxStreams))
}

// leastFiles is the lowest open-file limit that is served under. The stores and listeners hold some thirty files; the
// rest below the spare ones is a small household's.
const leastFiles = 128

// EnoughFiles refuses an open-file limit that leaves connections no room, before anything is made.
func EnoughFiles() error { return enoughFiles(openFiles()) }

func enoughFiles(limit int) error {
	if limit == 0 || limit >= leastFiles {
		return nil
	}
	return fmt.Errorf("the open-file limit is %d and has to be at least %d: raise it (ulimit -n, LimitNOFILE)", limit,
		leastFiles)
}

// listen opens a listener. An error names the key and the flag with which to choose another address.
func listen(ctx context.Context, key, flag, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	var errno syscall.Errno
	switch {
	case err == nil:
		return ln, nil
	case errors.As(err, &errno):
		err = errno // net puts the address around it once more
	}
	return nil, fmt.Errorf("cannot listen on %s (key %s, flag %s): %w", address, key, flag, err)
}

// frugal is a listener that outlives a lack of descriptors. For a connection that would take one of the spare ones
// others make room; if none can, or half of the spare ones are taken, it is closed without an answer, which clients
// take for a network error and come back after. An accept that fails for lack of something is tried again after a
// pause. Accept is for one goroutine.
type frugal struct {
	net.Listener
	room     int         // descriptors below this number are for connections; 0 = all
	limit    int         // of descriptors
	makeRoom func() bool // closes another connection; false = none can go
	dropped  func()      // is called for each connection that is closed
	log      *zap.Logger
	clock    social.Clock
	warned   time.Time
}

const (
	acceptPause = 10 * time.Millisecond // after the first failure, and twice as long after each further one
	acceptRest  = 250 * time.Millisecond
	warnEvery   = 10 * time.Second
)

func (l *frugal) Accept() (net.Conn, error) {
	pause := acceptPause
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil && l.fits(c):
			return c, nil
		case err == nil:
			_ = c.Close()
			l.dropped()
			l.warn("connections dropped: the open-file limit is reached", zap.Int("room", l.room))
		case !isShort(err):
			return nil, err
		default:
			l.warn("connections wait: accept fails", zap.Error(err))
			time.Sleep(pause)
			pause = min(2*pause, acceptRest)
		}
	}
}

// fits reports that a connection may stay.
func (l *frugal) fits(c net.Conn) bool {
	if l.room == 0 {
		return true
	}
	fd := descriptor(c)
	return fd < l.room || l.swap(fd)
}

// swap takes a connection with a spare descriptor for others that wait: as many as are needed for the next ones to find
// lower numbers, so that the spare ones become free. What is closed gives its descriptor back a little later, so in the
// upper half of the spare ones nobody stays. False = the connection has to go.
func (l *frugal) swap(fd int) bool {
	closed := 0
	for closed < fd-l.room+2 && l.makeRoom() {
		closed++
	}
	return closed > 0 && fd < (l.room+l.limit)/2
}

// descriptor is a connection's number; 0 for one without. The system gives the lowest free number, so those below it
// are all in use.
func descriptor(c net.Conn) (number int) {
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { number = int(fd) }) // fails for a closed one
		}
	}
	return number
}

func (l *frugal) warn(says string, field zap.Field) {
	if now := l.clock(); now.Sub(l.warned) >= warnEvery {
		l.warned = now
		l.log.Warn(says, field)
	}
}

// isShort reports an error of accept that passes: this process or the system lacks something, or it was about the one
// connection (accept(2)).
func isShort(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPERM, syscall.EPROTO}, errno)
}

// sayRoom says what the open-file limit allows if that is less than the configuration.
func (s *Server) sayRoom() {
	room, want := room(openFiles()), s.cfg.MaxConnections+s.cfg.MaxStreams
	if room == 0 || room >= want {
		return
	}
	level := zap.InfoLevel
	if room < s.cfg.MaxConnections {
		level = zap.WarnLevel
	}
	s.log.Log(level, "the open-file limit allows fewer connections than max_connections and max_streams together: "+
		"raise it (ulimit -n, LimitNOFILE)", zap.Int("room", room), zap.Int("configured", want))
}
