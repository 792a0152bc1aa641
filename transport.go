package llm

import (
	"context"
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
	return &http.Transport{
		DialContext:            d.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           1000,
		MaxIdleConnsPerHost:    100,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
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
