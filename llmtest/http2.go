package llmtest

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"
)

// Frames of HTTP/2, as far as a server needs them that refuses all requests: RFC 9113, sections 4.1 and 6.
const (
	frameHeaders   = 0x1
	frameRSTStream = 0x3
	frameSettings  = 0x4
	frameGoAway    = 0x7

	flagAck = 0x1 // of SETTINGS

	codeNoError       = 0x0
	codeRefusedStream = 0x7
)

// preface is what a client's connection begins with: section 3.4.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// maxFrame is the largest payload that a peer may send unasked: section 4.2.
const maxFrame = 1 << 14

// refuse serves one connection of HTTP/2 on which no request is taken. The request is not read: that it was sent is
// all that is known of it.
func refuse(conn *tls.Conn, f Fault) error {
	conn.SetDeadline(time.Now().Add(refusalPatience))
	begin := make([]byte, len(preface))
	if _, err := io.ReadFull(conn, begin); err != nil {
		return err
	}
	if string(begin) != preface {
		return errors.New("no HTTP/2")
	}
	if err := writeFrame(conn, frameSettings, 0, 0); err != nil {
		return err
	}
	for {
		kind, flags, streamID, err := readFrame(conn)
		if err != nil {
			return err // the client has left, as it should
		}
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			err = writeFrame(conn, frameSettings, flagAck, 0)
		case kind == frameHeaders && f == GoAway: // the last stream that was, or may have been, taken: none
			err = errors.Join(writeFrame(conn, frameGoAway, 0, 0, 0, codeNoError), conn.CloseWrite())
		case kind == frameHeaders: // the connection is to take no more before the stream is refused, or the next would be here
			err = errors.Join(writeFrame(conn, frameGoAway, 0, 0, streamID, codeNoError),
				writeFrame(conn, frameRSTStream, 0, streamID, codeRefusedStream), conn.CloseWrite())
		}
		if err != nil {
			return err
		}
	}
}

// refusalPatience bounds a connection that is refused, should its client stay.
const refusalPatience = 5 * time.Second

// readFrame reads one frame, whose payload says nothing that matters here.
func readFrame(r io.Reader) (kind, flags byte, streamID uint32, err error) {
	var head [9]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, 0, 0, err
	}
	size := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
	if size > maxFrame {
		return 0, 0, 0, errors.New("an HTTP/2 frame is too large")
	}
	_, err = io.CopyN(io.Discard, r, size)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), err
}

// writeFrame writes a frame whose payload is made of 32-bit words, as those of the frames above are.
func writeFrame(w io.Writer, kind, flags byte, streamID uint32, words ...uint32) error {
	size := 4 * len(words)
	frame := slices.Concat([]byte{byte(size >> 16), byte(size >> 8), byte(size), kind, flags}, binary.BigEndian.AppendUint32(nil, streamID))
	for _, word := range words {
		frame = binary.BigEndian.AppendUint32(frame, word)
	}
	_, err := w.Write(frame)
	return err
}
