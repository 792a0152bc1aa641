package llm

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
)

var inference atomic.Pointer[func(name string) (provider string, ok bool)]

// RegisterInference tells this package how to find the provider of a model's name that has no "provider/" in front.
// Package models calls it. [WithDefaultProvider] goes before it.
func RegisterInference(of func(name string) (provider string, ok bool)) { inference.Store(&of) }

// infer is the provider of a bare model name; "" if it is not known.
func infer(name string) string {
	if of := inference.Load(); of != nil {
		if provider, ok := (*of)(name); ok {
			return provider
		}
	}
	return ""
}

// resolveBase finds the base URL. given says that the caller gave it, and not the provider or its environment.
func (c *Call) resolveBase(name string) (given bool, err error) {
	p, s := c.Provider, c.settings
	base := s.baseURLs[name]
	if base == "" {
		base = s.baseURLs[p.Name]
	}
	if base == "" {
		base = s.baseURL
	}
	if given = base != ""; !given {
		if base = c.Setting(p.BaseURLEnv...); base == "" {
			base = p.BaseURL
		}
	}
	if strings.Contains(base, "{") {
		if base, err = c.expand(base); err != nil {
			return false, err
		}
	}
	if base == "" {
		hint := ""
		if len(p.BaseURLEnv) > 0 {
			hint = " or set " + strings.Join(p.BaseURLEnv, " or ")
		}
		return false, InvalidRequest("base_url", p.Name+" has no address of its own: give one by llm.WithBaseURL"+hint)
	}
	u, err := url.Parse(base)
	if err == nil && !given && u.User == nil {
		if ip, e := netip.ParseAddr(u.Hostname()); e == nil && ip.IsUnspecified() {
			// The setting of a server that listens on all addresses.
			u.Host = strings.TrimSuffix(net.JoinHostPort("localhost", u.Port()), ":")
			base = u.String()
		}
	}
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return false, InvalidRequest("base_url", "the base URL must be http:// or https://, with a host and without a user or password")
	}
	if s.publicOnly && u.Scheme != "https" {
		return false, InvalidRequest("base_url", "llm.WithPublicOnly takes https:// base URLs only")
	}
	c.BaseURL, c.baseHost = strings.TrimSuffix(base, "/"), u.Host
	if given {
		own := p.BaseURL
		if strings.Contains(own, "{") {
			own, _ = c.expand(own)
		}
		if own, err := url.Parse(own); err == nil && own.Host == u.Host && own.Scheme == u.Scheme {
			given = false
		}
	}
	c.given = given
	return given, nil
}

// expand fills the variables of a base URL: {NAME}, {NAME,OTHER}, {NAME|default}. Values may not leave their
// place in the URL. Where a variable with a default is the host of the URL, its value may be a URL with a scheme
// of its own, and a value without one has its missing port or host from the default.
func (c *Call) expand(base string) (string, error) {
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(base, "{")
		b.WriteString(head)
		if !found {
			return b.String(), nil
		}
		spec, tail, closed := strings.Cut(rest, "}")
		if !closed {
			return "", InvalidRequest("base_url", "a variable in the base URL is not closed")
		}
		names, byDefault, _ := strings.Cut(spec, "|")
		list := strings.Split(names, ",")
		v := c.Setting(list...)
		if v == "" {
			v = byDefault
		}
		if v == "" {
			return "", InvalidRequest("base_url", c.Provider.Name+" needs a setting: give it by llm.WithSetting(\""+list[0]+"\", …) or set the environment variable "+
				strings.Join(list, " or "))
		}
		if strings.ContainsAny(v, "/?#@\\ \t\r\n") && !strings.Contains(v, "://") {
			return "", InvalidRequest("base_url", "the setting "+list[0]+" has characters that a URL cannot hold")
		}
		if scheme := b.String(); byDefault != "" && (scheme == "http://" || scheme == "https://") {
			if strings.Contains(v, "://") {
				b.Reset()
				v = strings.TrimRight(v, "/")
			} else {
				v = hostAndPort(v, byDefault)
			}
		}
		b.WriteString(v)
		base = tail
	}
}

// hostAndPort completes an address by another: "", ":80", "host", "host:80", an IPv6 address with or without its
// brackets. The address that a server listens on when it listens on all is the machine itself to a client.
func hostAndPort(addr, byDefault string) string {
	defaultHost, defaultPort, err := net.SplitHostPort(byDefault)
	if err != nil {
		return addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = strings.Trim(addr, "[]"), ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() || host == "" {
		host = defaultHost
	}
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(host, port)
}

// resolveKey finds the key. A key from the environment belongs to the provider's own host: it is not sent to a
// base URL that the caller gave.
func (c *Call) resolveKey(name string, givenBase bool) error {
	p, s := c.Provider, c.settings
	c.key = s.keys[name]
	if c.key.IsZero() {
		c.key = s.keys[p.Name]
	}
	if c.key.IsZero() {
		c.key = s.key
	}
	if c.key.IsZero() && !givenBase {
		c.key = c.Secret(p.KeyEnv...)
	}
	c.key = NewSecret(strings.TrimSpace(c.key.Reveal()))
	if c.key.IsZero() && !p.KeyOptional && !givenBase {
		how := "give it by llm.WithAPIKey"
		if len(p.KeyEnv) > 0 {
			how += " or set " + strings.Join(p.KeyEnv, " or ")
		}
		return &Error{Kind: ErrAuthentication, Scope: ScopeKey, Message: "there is no key for " + p.Name + ": " + how}
	}
	return nil
}
