package llmtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// stage is how far a request has come when a fault strikes it.
type stage int

const (
	atRequest   stage = iota // it has been read
	atDial                   // in the client's transport
	atHandshake              // before the certificate is shown
	atHTTP2                  // when the client has chosen HTTP/2
	atUpload                 // before the body is read
)

func (f Fault) stage() stage {
	switch f.name() {
	case Refused, NameNotFound, NameTimeout, ConnectStall:
		return atDial
	case TLSExpired, TLSWrongHost, TLSUnknownCA, TLSStall:
		return atHandshake
	case GoAway, RefusedStream:
		return atHTTP2
	case UploadStall, UploadRefused:
		return atUpload
	}
	return atRequest
}

// ofConnection: such a fault strikes the next new connection.
func (f Fault) ofConnection() bool {
	at := f.stage()
	return at == atDial || at == atHandshake || at == atHTTP2
}

func (f Fault) needsTLS() bool {
	at := f.stage()
	return at == atHandshake || at == atHTTP2 || f.name() == RedirectDowngrade
}

// take gives the fault that is due, if it strikes at this stage.
func (s *Server) take(at stage) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked(at)
}

func (s *Server) takeLocked(at stage) Fault {
	if len(s.once) > 0 {
		f := s.once[0]
		if f.stage() != at {
			return ""
		}
		s.once = s.once[1:]
		return f
	}
	if s.always.stage() != at {
		return ""
	}
	return s.always
}

// listener hands connections to net/http when they are ready for it, and counts them.
type listener struct {
	net.Listener
	s *Server
	// secure says that connections are encrypted. Then what is not, is taken as a client that was sent from https to http.
	secure bool
	ready  chan net.Conn
}

func (l *listener) run() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return
		}
		c := &countedConn{Conn: conn, s: l.s}
		l.s.accepted.Add(1)
		l.s.open.Add(1)
		go l.greet(c)
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.ready:
		return conn, nil
	case <-l.s.ctx.Done():
		return nil, net.ErrClosed
	}
}

// greet brings a connection to where HTTP begins.
func (l *listener) greet(c *countedConn) {
	defer context.AfterFunc(l.s.ctx, func() { c.Close() })()
	var conn net.Conn = c
	if l.secure {
		var err error
		if conn, err = l.secured(c); err != nil {
			c.Close()
			return
		}
	}
	select {
	case l.ready <- conn:
	case <-l.s.ctx.Done():
		c.Close()
	}
}

// handshakePatience bounds the time that a client may take to say what it wants.
const handshakePatience = 10 * time.Second

var errStruck = errors.New("a fault struck")

// secured makes the handshake.
func (l *listener) secured(c *countedConn) (net.Conn, error) {
	c.SetDeadline(time.Now().Add(handshakePatience))
	var first [1]byte
	if _, err := io.ReadFull(c.Conn, first[:]); err != nil {
		return nil, err
	}
	c.prefix.Write(first[:])
	if first[0] != 22 { // RFC 8446, section 5.1: a handshake record
		c.SetDeadline(time.Time{})
		return c, nil
	}
	f := l.s.take(atHandshake)
	if f == TLSStall {
		c.SetDeadline(time.Time{})
		io.Copy(io.Discard, c.Conn) // until the client leaves
		return nil, errStruck
	}
	cert, err := l.s.certificate(f)
	if err != nil {
		return nil, err
	}
	conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2", "http/1.1"}})
	if err := conn.HandshakeContext(l.s.ctx); err != nil {
		return nil, err
	}
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		if f := l.s.take(atHTTP2); f != "" {
			return nil, errors.Join(errStruck, refuse(conn, f), conn.Close())
		}
	}
	c.SetDeadline(time.Time{})
	return conn, nil
}

// certificate is made once for each fault: in a handshake there is no time for it.
func (s *Server) certificate(f Fault) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cert, ok := s.certificates[f]; ok {
		return cert, nil
	}
	cert, err := certificate(f)
	if err == nil {
		s.certificates[f] = cert
	}
	return cert, err
}

// countedConn is counted until it is closed, and gives back the byte that was read ahead.
type countedConn struct {
	net.Conn
	s      *Server
	prefix bytes.Buffer
	once   sync.Once
}

func (c *countedConn) Read(p []byte) (int, error) {
	if c.prefix.Len() > 0 {
		return c.prefix.Read(p)
	}
	return c.Conn.Read(p)
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.s.open.Add(-1) })
	return c.Conn.Close()
}

// SetLinger is TCP's; see [net.TCPConn.SetLinger].
func (c *countedConn) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// Connections counts the connections of a server's clients.
type Connections struct {
	Accepted int // since the server started
	Open     int // now
	Idle     int // of the open ones, those that wait for their next request
}

// Connections says how many connections there are. When all answers have been read to their end, those that are open are
// idle.
func (s *Server) Connections() Connections {
	n := Connections{Accepted: int(s.accepted.Load()), Open: int(s.open.Load())}
	s.idle.Range(func(any, any) bool { n.Idle++; return true })
	return n
}

// connState keeps the list of idle connections.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		s.idle.Store(conn, true)
	} else {
		s.idle.Delete(conn)
	}
}

// servers are those that run, by the port that they listen on, for the transports of [Server.HTTPClient].
var servers sync.Map

// HTTPClient is a client whose transport knows the way to the servers of this process: it trusts their certificates,
// speaks HTTP/2 with those that have TLS, and meets the faults that are on the way, which are those of [Refused] to
// [ConnectStall]. [Server.Options] has it. It can reach other hosts too, but none by TLS.
func (s *Server) HTTPClient() *http.Client { return s.client }

func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots()},
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    100,
		MaxResponseHeaderBytes: 1 << 20,
		TLSHandshakeTimeout:    handshakePatience,
	}}
}

// dial connects, or meets a fault on the way.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	v, ok := servers.Load(port)
	if ip := net.ParseIP(host); !ok || host != "localhost" && !ip.IsLoopback() {
		return d.DialContext(ctx, network, address)
	}
	s := v.(*Server)
	f := s.take(atDial)
	if f == "" {
		return d.DialContext(ctx, network, address)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	switch f {
	case NameNotFound, NameTimeout:
		return dialByName(ctx, f, port)
	case ConnectStall:
		return s.dialNowhere(ctx, network)
	}
	closed, free, err := closedPort()
	if err != nil {
		return nil, err
	}
	defer free()
	return d.DialContext(ctx, network, closed)
}

func listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			return nil, fmt.Errorf("llmtest: %w", err)
		}
	}
	return l, nil
}

func portOf(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

// dialNowhere connects to the server's black hole, which is made when it is first needed.
func (s *Server) dialNowhere(ctx context.Context, network string) (net.Conn, error) {
	s.holeOnce.Do(func() { s.hole, _ = BlackHole() })
	if s.hole == nil {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, s.hole.Addr().String())
}

// BlackHole is an address to which no connection comes about: attempts are neither taken nor refused, as behind a
// firewall that drops packets. Close the listener to free it; its Accept is not to be called. Where the system refuses
// connections that it has no room for, as Windows does, the error is [errors.ErrUnsupported].
func BlackHole() (net.Listener, error) {
	l, err := listen()
	if err != nil {
		return nil, err
	}
	h := &blackHole{Listener: l}
	if err := h.fill(); err != nil {
		h.Close()
		return nil, fmt.Errorf("llmtest: %w", err)
	}
	return h, nil
}

// blackHole holds the connections that fill its listener's queue.
type blackHole struct {
	net.Listener
	fillers []net.Conn
}

func (h *blackHole) Close() error {
	for _, conn := range h.fillers {
		conn.Close()
	}
	return h.Listener.Close()
}

// fill connects until the queue is full. That a connection stays out is told by time, and a busy machine may make it look so;
// but the queue has taken those too, so that several tell.
func (h *blackHole) fill() error {
	if err := shrinkQueue(h.Listener); err != nil {
		return err
	}
	const most, patience, sure = 16, 30 * time.Millisecond, 3
	out := 0
	for range most {
		conn, err := net.DialTimeout("tcp", h.Addr().String(), patience)
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			if out++; out == sure {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		h.fillers = append(h.fillers, conn)
	}
	return errors.ErrUnsupported // the system takes as many as come
}
