package llm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// sharedTransport is made on first use and serves all clients that were given no other.
var sharedTransport = sync.OnceValue(func() *http.Transport {
	t := newTransport(&net.Dialer{KeepAlive: 30 * time.Second})
	t.Proxy = http.ProxyFromEnvironment
	return t
})

// publicTransport refuses addresses that are not public; see [WithPublicOnly]. It uses no proxy: a proxy
// would dial in its stead, unchecked.
var publicTransport = sync.OnceValue(func() *http.Transport {
	return newTransport(&net.Dialer{KeepAlive: 30 * time.Second, ControlContext: refusePrivate})
})

func newTransport(d *net.Dialer) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, done := untilAttemptEnds(ctx)
			defer done()
			return d.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2: true,
		// The handshake behind a proxy is net/http's own, which does not end it with its attempt.
		TLSHandshakeTimeout:    time.Minute,
		MaxIdleConns:           1000,
		MaxIdleConnsPerHost:    100,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, done := untilAttemptEnds(ctx)
		defer done()
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := t.TLSClientConfig.Clone() // which net/http has given the protocols to
		if config == nil {                  // GODEBUG=http2client=0
			config = new(tls.Config)
		}
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			conn.Close()
			return nil, err
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secured, nil
	}
	return t
}

// untilAttemptEnds is ctx with the end of the attempt that it belongs to. net/http lets a dial go on when the request
// that wanted it is over, since a later one may want the connection. To a host that does not answer it would go on for
// as long as the system allows, and a handshake for ever. Call done after use.
func untilAttemptEnds(ctx context.Context) (dial context.Context, done func()) {
	attempt, ok := ctx.Value(attemptKey{}).(context.Context)
	if !ok {
		return ctx, func() {}
	}
	dial, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(attempt, cancel)
	return dial, func() { stop(); cancel() }
}

type attemptKey struct{}

// attemptContext can be found in contexts that were derived from it, though they may not end with it.
type attemptContext struct{ context.Context }

func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return c.Context
	}
	return c.Context.Value(key)
}

var errNotPublic = errors.New("the address is not public; llm.WithPublicOnly refuses it")

// refusePrivate sees the address that is really dialled, after any name was resolved: a name that resolves
// differently from one moment to the next (DNS rebinding) gains nothing.
func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(ap.Addr()) {
		return errNotPublic
	}
	return nil
}

// notPublic are the special-purpose blocks of IANA's registries (RFC 6890 and its updates) that netip's own
// predicates do not cover.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // NAT64: embeds any IPv4 address
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and other tunnels
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: embeds any IPv4 address
	netip.MustParsePrefix("fec0::/10"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

func (s *settings) transport() (http.RoundTripper, error) {
	switch {
	case s.publicOnly && s.httpClient != nil:
		return nil, InvalidRequest("options", "WithPublicOnly and WithHTTPClient exclude each other: the check is part of this package's transport")
	case s.publicOnly:
		return publicTransport(), nil
	case s.httpClient != nil && s.httpClient.Transport != nil:
		return s.httpClient.Transport, nil
	}
	return sharedTransport(), nil
}
