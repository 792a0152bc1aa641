package llmtest

import (
	"context"
	"net"
	"time"
)

// dialByName connects to a name that a resolver of its own does not know, or never answers for.
func dialByName(ctx context.Context, f Fault, port string) (net.Conn, error) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer server.Close()
	if f == NameNotFound {
		go deny(server)
	}
	d := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil || f == NameNotFound {
			return conn, err
		}
		return &hasty{conn.(*net.UDPConn)}, nil
	}}}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(nowhere, port))
}

// nowhere is a name that no resolver knows: RFC 6761, section 6.4. The dot at its end keeps the machine's search
// list out.
const nowhere = "api.llmtest.invalid."

// hasty is a connection to a resolver that waits 100 ms for an answer, and not the seconds that resolv.conf says.
type hasty struct{ *net.UDPConn }

func (h *hasty) SetDeadline(t time.Time) error {
	if soon := time.Now().Add(100 * time.Millisecond); t.After(soon) {
		t = soon
	}
	return h.UDPConn.SetDeadline(t)
}

// deny answers each question with "there is no such name" (NXDOMAIN) until the connection is closed: RFC 1035,
// section 4.1.
func deny(server net.PacketConn) {
	const header = 12
	buf := make([]byte, 1500)
	for {
		n, peer, err := server.ReadFrom(buf)
		if err != nil {
			return
		}
		if n < header {
			continue
		}
		end := header // of the question: a name in labels, then its type and class
		for end < n && buf[end] != 0 {
			end += 1 + int(buf[end])
		}
		if end += 5; end > n {
			continue
		}
		answer := append([]byte(nil), buf[:end]...)
		answer[2], answer[3] = 0x81, 0x83                // an answer; recursion asked for and available; code 3
		copy(answer[4:], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // one question, nothing else
		server.WriteTo(answer, peer)
	}
}
