package webhook_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/webhook"
)

// special are the first, the last and an address inside each block of IANA's special-purpose registries.
func special(t *testing.T) (out []string) {
	t.Helper()
	for _, file := range []string{"iana-ipv4-special.csv", "iana-ipv6-special.csv"} {
		text, err := os.ReadFile("../testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			block, _, _ := strings.Cut(line, ",")
			p := netip.MustParsePrefix(block)
			out = append(out, p.Addr().String())
			if !p.IsSingleIP() {
				out = append(out, last(p).String(), last(p).Prev().String())
			}
		}
	}
	return out
}

func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// literals are addresses that are not public in no registry: forms that carry an IPv4 address, overlays and space that
// is not given out.
var literals = []string{
	"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:0:0", "::ffff:7f00:1",
	"::127.0.0.1", "::10.0.0.1", "::7f00:1", "::ffff:0:127.0.0.1", "::ffff:0:7f00:1", "::ffff:0:a00:1",
	"64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::1.1.1.1", "64:ff9b:1::7f00:1", "64:ff9b:1::101:101",
	"64:ff9b:1:ffff:ffff:ffff:7f00:1", "64:ff9b:2::1",
	"2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::1", "2002:101:101::1",
	"2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:7f00:1::", "2001:0:1::",
	"fe80::5efe:7f00:1", "fe80::200:5efe:a00:1", "fd00::5efe:10.0.0.1",
	"fe80::1%eth0", "fe80::1%25eth0", "::1%lo", "2606:4700::1111%eth0",
	"200::1", "201:1234::1", "300::1", "3ff:ffff::1", "400::1", "800::1", "1000::1", "1fff:ffff::1",
	"4000::1", "5f00::1", "6000::1", "8000::1", "a000::1", "c000::1", "e000::1", "f000::1", "fe00::1", "fec0::1",
	"feff::1",
	"3fff::1", "3fff:fff::1", "100::1", "100:0:0:1::1", "0.0.0.0", "255.255.255.255", "169.254.169.254", "100.100.100.200",
	"fd00:ec2::254",
}

// hosts are other ways to write an address or a name of inside.
var hosts = []string{
	"127.1", "127.0.1", "0", "0.0", "2130706433", "017700000001", "0177.0.0.1", "0177.0.0.01", "0x7f.0.0.1", "0x7f000001",
	"0X7F000001", "0x7f.1", "127.0x0.1", "127.0.0.0x1", "3232235777", "0xc0a80101", "0xa9fea9fe", "2852039166",
	"0251.0376.0251.0376", "169.254.43518", "10.1", "192.168.257", "127.0.0.1.", "127.0.0.01",
	"127.0.0.1..", "000127.0.0.1",
	"１２７.０.０.１", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.⓪.⓪.①", "ｌｏｃａｌｈｏｓｔ", "LOCALHOST", "localhost", "localhost.",
	"localhost..", "a.localhost", "localhost.localdomain", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "%6cocalhost",
	"[::]", "[::1]",
	"[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:0001]", "[::1%25lo]", "[fe80::1%25eth0]",
	"[0000:0000:0000:0000:0000:ffff:7f00:0001]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[::1].", "[127.0.0.1]",
	"metadata", "metadata.google.internal", "instance-data", "router", "printer.local", "nas.lan", "db.internal",
	"db.home.arpa", "fritz.home", "server.corp", "mail.intranet", "x.private", "host.localdomain", "a.test", "a.invalid",
	"a.onion", "1.0.0.127.in-addr.arpa", "kubernetes", "redis", "postgres.internal.", "METADATA.GOOGLE.INTERNAL",
	"ｍetadata.internal", "user@127.0.0.1", "127.0.0.1@bot.example", "bot.example@127.0.0.1",
	"bot.example:25", "127.0.0.1:80",
	"127.0.0.1:443", "bot.example\\@127.0.0.1", "", ".", "..", "-", "_",
}

// ears listen on every address of this machine that a refused connect could reach, and count.
func ears(t *testing.T) (port string, heard *atomic.Int64) {
	t.Helper()
	heard = &atomic.Int64{}
	l, err := net.Listen("tcp", ":0") // all addresses, IPv4 and IPv6
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); work.Wait() })
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port), heard
}

// names is a resolver on which each name leads where the test says, at each look-up to the next.
type names struct {
	mu   sync.Mutex
	list map[string][]netip.Addr
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go n.serve(far)
		return near, nil
	}}
}

// serve answers one question after another, as DNS over TCP does (RFC 1035, 4.2.2).
func (n *names) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := readFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := readFull(c, q); err != nil {
			return
		}
		a := n.answer(q)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)); err != nil {
			return
		}
	}
}

func readFull(c net.Conn, b []byte) (int, error) {
	for n := 0; n < len(b); {
		m, err := c.Read(b[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return len(b), nil
}

func (n *names) answer(q []byte) []byte {
	var labels []string
	i := 12
	for q[i] != 0 {
		labels = append(labels, string(q[i+1:i+1+int(q[i])]))
		i += 1 + int(q[i])
	}
	question, kind := q[12:i+5], binary.BigEndian.Uint16(q[i+1:])
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.Join(labels, ".")
	list := n.list[name]
	head := append(append([]byte{}, q[:2]...), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	if len(list) == 0 {
		head[3] |= 3 // no such name
		return append(head, question...)
	}
	a := list[0].Unmap()
	if a.Is4() != (kind == 1) {
		return append(head, question...)
	}
	if len(list) > 1 {
		n.list[name] = list[1:]
	}
	head[7] = 1
	out := append(head, question...)
	out = append(out, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(a.BitLen()/8))
	return append(out, a.AsSlice()...)
}

func guarded(t *testing.T, g *plugins.Guard) plugins.Sender {
	t.Helper()
	c, err := webhook.Factory.Build([]byte("allow_http: true\n"), plugins.Env{Name: "webhook", Log: zap.NewNop(),
		Clock: time.Now, Dial: g.Dial})
	if err != nil {
		t.Fatal(err)
	}
	return c.(plugins.Sender)
}

func bracketed(a string) string {
	if strings.Contains(a, ":") {
		return "[" + strings.ReplaceAll(a, "%", "%25") + "]"
	}
	return a
}

// TestSSRFAddresses (P19): nothing connects to an address that is not public. Literals are refused when the endpoint is
// made, and in any case at the dial.
func TestSSRFAddresses(t *testing.T) {
	port, heard := ears(t)
	addresses := append(special(t), literals...)
	t.Logf("%d targets", 2*len(addresses)+len(hosts))
	if len(addresses)+len(hosts) < 200 {
		t.Errorf("%d targets, want 200", len(addresses)+len(hosts))
	}
	c := guarded(t, plugins.NewGuard(8))
	for _, host := range hosts {
		if _, err := c.CheckEndpoint(urlSettings(t, "http://"+host+"/")); err == nil {
			t.Errorf("an endpoint on %q was taken", host)
		}
	}
	for _, a := range addresses {
		if _, err := c.CheckEndpoint(urlSettings(t, "http://"+bracketed(a)+"/")); err == nil {
			t.Errorf("an endpoint on %s was taken", a)
		}
		err := c.Send(t.Context(), delivery(t, "http://"+bracketed(a)+":"+port+"/"))
		if o := plugins.Outcome(nil); !errors.As(err, &o) || outcome(err) != "blocked_address" {
			t.Errorf("%s: %v, want blocked_address", a, err)
		}
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("%d connects were heard", n)
	}
}

func urlSettings(t *testing.T, url string) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(map[string]string{"url": url})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func outcome(err error) string {
	var o plugins.Outcome
	if !errors.As(err, &o) {
		return fmt.Sprint(err)
	}
	word, _, detail := o.Outcome()
	if word == "connect" {
		return word + ": " + detail
	}
	return word
}

// TestSSRFByName: a name that leads inside, one that is missing, one that is known to be of inside, and one that
// was public at the look-up before fail with one outcome, one text, and after one time; the operator's figures tell
// them apart.
func TestSSRFByName(t *testing.T) {
	port, heard := ears(t)
	synctest.Test(t, func(t *testing.T) {
		n := &names{list: map[string][]netip.Addr{}}
		g := plugins.NewGuard(8)
		g.Resolver = n.resolver()
		c := guarded(t, g)
		targets := []string{"missing.example", "metadata.google.internal", "router", "nas.lan"}
		for i, a := range append(special(t), literals...) {
			addr, err := netip.ParseAddr(a)
			if err != nil || addr.Zone() != "" {
				continue
			}
			name := fmt.Sprintf("n%d.example", i)
			n.list[name] = []netip.Addr{addr}
			targets = append(targets, name)
		}
		n.list["flips.example"] = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1")}
		targets = append(targets, "flips.example", "flips.example")
		for _, name := range targets {
			began := time.Now()
			err := c.Send(t.Context(), delivery(t, "http://"+name+":"+port+"/"))
			if got := outcome(err); got != "connect: the name leads to no address that is public" {
				t.Errorf("%s: %s (%v)", name, got, n.list[name])
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s (%v) took %s, want 1 s as every name", name, n.list[name], took)
			}
			if errors.Is(err, plugins.ErrBlockedAddress) != (name != "missing.example") {
				t.Errorf("%s: the figures cannot tell it: %v", name, err)
			}
		}
	})
	if n := heard.Load(); n != 0 {
		t.Errorf("%d connects were heard", n)
	}
}

// TestSSRFByRedirect: an answer that sends elsewhere is a failure, and nothing goes there.
func TestSSRFByRedirect(t *testing.T) {
	port, heard := ears(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:"+port+"/", status)
		}))
		err := sender(t, open).Send(t.Context(), delivery(t, srv.URL))
		srv.Close()
		if outcome(err) != "http_status" {
			t.Errorf("%d: %v, want a failure", status, err)
		}
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}
