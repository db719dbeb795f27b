package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// kit is one holder under one promise.
type kit struct {
	*testing.T
	kind   string
	pair   func() (server, client net.Conn)
	holder Holder

	peers   []*heard
	clients []net.Conn
}

// take has the holder take a connection over.
func (k *kit) take() (s Socket, p *heard, client net.Conn) {
	server, client := k.pair()
	p = newHeard()
	return k.hold(server, client, p), p, client
}

func (k *kit) hold(server, client net.Conn, p *heard) Socket {
	k.peers, k.clients = append(k.peers, p), append(k.clients, client)
	return k.holder.Take(server, p)
}

// over closes what is open; then the holder ends, and each peer has heard of its end, once.
func (k *kit) over() {
	for _, c := range k.clients {
		c.Close()
	}
	k.holder.Wait()
	for _, p := range k.peers {
		p.ended(k.T)
	}
}

// arrives asserts what a client reads next.
func (k *kit) arrives(client net.Conn, want string) {
	k.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
		k.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// fill writes until the kernel, or whatever takes its place, is full and the client does not read.
func (k *kit) fill(s Socket, p *heard) {
	k.Helper()
	for range 1 << 10 {
		if n := must(s.Write(make([]byte, 64<<10))); n < 64<<10 && s.Waiting() > 0 {
			return
		} else if n < 64<<10 {
			await(k.T, "Writable", p.writable)
		}
	}
	k.Fatal("64 MiB went into a socket that nobody reads")
}

// promises are what a holder owes, each with the test of it.
var promises = map[string]func(k *kit){
	"writes, waits for room, and goes on": func(k *kit) {
		s, p, client := k.take()
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
		got := make(chan []byte, 1)
		stalls, reading := 0, false
		for rest := sent; len(rest) > 0; {
			part := rest[:min(len(rest), 64<<10)]
			n := must(s.Write(part))
			rest = rest[n:]
			if n == len(part) {
				continue
			}
			if stalls++; !reading {
				reading = true
				go func() { got <- must(io.ReadAll(io.LimitReader(client, int64(len(sent))))) }()
			}
			await(k.T, "Writable", p.writable)
		}
		if !bytes.Equal(<-got, sent) {
			k.Error("other bytes arrived")
		}
		if n := len(p.writable); n > 0 || stalls == 0 {
			k.Errorf("%d times full; Writable came %d times more", stalls, n)
		}
		k.input(client, 1)
		k.leaves() // the holder has been round
		s.Abort()
		await(k.T, "Gone", p.gone)
		if n := len(p.writable); n > 0 {
			k.Errorf("Writable came %d times without a short write", n)
		}
	},
	"a client that leaves is noticed without a write": func(k *kit) {
		_, p, client := k.take()
		client.Close()
		await(k.T, "Gone", p.gone)
	},
	"a client that resets is noticed": func(k *kit) {
		_, p, client := k.take()
		if c, ok := client.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		client.Close()
		await(k.T, "Gone", p.gone)
	},
	"a client that closes its writing side has left": func(k *kit) {
		_, p, client := k.take()
		k.halfClose(client)
		await(k.T, "Gone", p.gone)
	},
	"a client that has left before is noticed": func(k *kit) {
		server, client := k.pair()
		if k.kind != "pipe" {
			_, _ = client.Write([]byte("GET")) // what it sent comes together with the end
		}
		k.halfClose(client)
		p := newHeard()
		k.hold(server, client, p)
		await(k.T, "Gone", p.gone)
	},
	"what was written arrives before the end": func(k *kit) {
		s, p, client := k.take()
		k.input(client, 8<<10) // unread input would turn the close into a reset
		if n := must(s.Write([]byte("last"))); n != 4 {
			k.Fatalf("%d bytes were taken", n)
		}
		s.Finish()
		k.arrives(client, "last")
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			k.Errorf("behind it: %v", err)
		}
		k.leaves()
		if k.kind != "pipe" && len(p.gone) > 0 { // which has no half to close
			k.Error("it was closed before its client has closed")
		}
		client.Close()
		await(k.T, "Gone", p.gone)
	},
	"a client may send as much as the limit": func(k *kit) {
		s, p, client := k.take()
		k.input(client, MaxInput)
		k.leaves() // the holder has been round
		for range 100 {
			if n := must(s.Write([]byte("x"))); n == 0 { // a blocking one is not done with the one before
				await(k.T, "Writable", p.writable)
				continue
			}
			k.arrives(client, "x")
		}
		if len(p.gone) > 0 {
			k.Error("it was closed")
		}
		k.input(client, 1)
		await(k.T, "Gone", p.gone)
	},
	"who has sent too much before is closed": func(k *kit) {
		server, client := k.pair()
		if k.kind == "pipe" { // holds nothing
			client.Close()
		} else {
			k.input(client, MaxInput+1)
		}
		p := newHeard()
		k.hold(server, client, p)
		await(k.T, "Gone", p.gone)
	},
	"however many are full, another one is written to": func(k *kit) {
		for range 40 {
			s, p, _ := k.take()
			k.fill(s, p)
		}
		s, _, client := k.take()
		if n := must(s.Write([]byte("not held up"))); n != 11 {
			k.Errorf("%d bytes were taken", n)
		}
		_ = client.SetReadDeadline(time.Now().Add(patience))
		k.arrives(client, "not held up")
	},
	"nothing is on its way to who was written nothing": func(k *kit) {
		s, p, client := k.take()
		if n, d := s.Waiting(), s.Silence(); n != 0 || d != 0 {
			k.Errorf("%d bytes wait, for %v", n, d)
		}
		client.Close()
		await(k.T, "Gone", p.gone)
		if n, d := s.Waiting(), s.Silence(); n != 0 || d != 0 {
			k.Errorf("in a closed one %d bytes wait, for %v", n, d)
		}
	},
	"a full one can be aborted": func(k *kit) {
		s, p, _ := k.take()
		k.fill(s, p)
		s.Abort()
		await(k.T, "Gone", p.gone)
	},
	"a full one notices its client leaving": func(k *kit) {
		s, p, client := k.take()
		k.fill(s, p)
		client.Close()
		await(k.T, "Gone", p.gone)
	},
	"after Finish it can be aborted": func(k *kit) {
		s, p, _ := k.take()
		s.Finish()
		s.Abort()
		await(k.T, "Gone", p.gone)
	},
	"what is done to a closed one reaches no other": func(k *kit) {
		old, p, client := k.take()
		nextServer, nextClient := k.pair() // now, or one of its ends would get the free descriptor
		client.Close()
		await(k.T, "Gone", p.gone)
		next := newHeard()
		s := k.hold(nextServer, nextClient, next)
		if n, err := old.Write([]byte("stray")); err == nil && n > 0 {
			k.Errorf("a closed socket took %d bytes", n)
		}
		if n := old.Waiting(); n != 0 {
			k.Errorf("%d bytes wait in a closed socket", n)
		}
		old.Finish()
		old.Abort()
		if n, err := s.Write([]byte("still here")); n != 10 || err != nil {
			k.Errorf("%d bytes, %v", n, err)
		}
		k.arrives(nextClient, "still here")
		if len(next.gone) > 0 {
			k.Error("it was closed")
		}
	},
	"a write to who has left is an error, and Gone follows": func(k *kit) {
		s, p, client := k.take()
		client.Close()
		for len(p.gone) == 0 {
			if n, err := s.Write([]byte("x")); err != nil {
				break
			} else if n == 0 {
				break // full, for those that write elsewhere
			}
		}
		await(k.T, "Gone", p.gone)
	},
	"all at once, from everywhere": func(k *kit) {
		for range 100 {
			s, p, client := k.take()
			var all sync.WaitGroup
			all.Go(func() { // as the hub
				for {
					n, err := s.Write(make([]byte, 32<<10))
					if err != nil {
						return
					}
					s.Waiting()
					if n < 32<<10 {
						select {
						case <-p.writable:
						case <-p.gone:
							p.gone <- struct{}{}
							return
						}
					}
				}
			})
			all.Go(func() { _, _ = io.Copy(io.Discard, io.LimitReader(client, 100<<10)); client.Close() })
			all.Go(s.Abort)
			all.Go(s.Abort)
			all.Wait()
			s.Abort()
			await(k.T, "Gone", p.gone)
		}
	},
	"a panic stays with its connection": func(k *kit) {
		s, p, client := k.take()
		both, bp, _ := k.take()
		other, _, otherClient := k.take()
		panics := func() { panic("on purpose") }
		p.onWritable, p.onGone, bp.onGone = panics, panics, panics
		both.Abort()
		await(k.T, "Gone", bp.gone)
		for must(s.Write(make([]byte, 64<<10))) == 64<<10 {
		}
		go func() { _, _ = io.Copy(io.Discard, client) }()
		await(k.T, "Gone, after the panic,", p.gone)
		if n := must(other.Write([]byte("still here"))); n != 10 {
			k.Errorf("%d bytes", n)
		}
		k.arrives(otherClient, "still here")
	},
}

// leaves has a connection come and go: a holder with one goroutine has been round then.
func (k *kit) leaves() {
	k.Helper()
	_, p, client := k.take()
	client.Close()
	await(k.T, "Gone", p.gone)
}

// input is what a client sends where nothing is expected.
func (k *kit) input(client net.Conn, n int) {
	k.Helper()
	if _, err := client.Write(make([]byte, n)); err != nil {
		k.Fatal(err)
	}
}

func (k *kit) halfClose(client net.Conn) {
	if c, ok := client.(*net.TCPConn); ok {
		_ = c.CloseWrite()
		return
	}
	client.Close()
}
