package client

import (
	"bufio"
	"net"
	"strings"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// OpenSilent opens a stream with a very small receive buffer, reads up to ready, and no further. The caller closes it.
func (c *Crowd) OpenSilent(i int) (net.Conn, error) {
	d := net.Dialer{Timeout: Patience, Control: littleRoom}
	conn, err := d.Dial("tcp", c.address)
	if err != nil {
		return nil, err
	}
	if _, err = conn.Write(c.request(nil, i)); err == nil {
		err = conn.SetReadDeadline(time.Now().Add(Patience))
	}
	for r := bufio.NewReaderSize(conn, 512); err == nil; {
		var line string
		line, err = r.ReadString('\n')
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "id: "); ok && err == nil {
			if c.streams[i].held, err = social.ParseCursor(id); err == nil {
				return conn, nil
			}
		}
	}
	_ = conn.Close()
	return nil, err
}
