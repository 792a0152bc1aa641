package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serve is the fake upstream, run in a process of its own. It prints its address and ends when its standard input does.
func serve() error {
	raiseFileLimit()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	w := prepared()
	return http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		a, body := w.answers[answerKey(r.URL.Path)], getBuffer()
		defer putBuffer(body)
		if _, err := body.ReadFrom(r.Body); err != nil || a == nil {
			http.Error(rw, "no such answer", http.StatusNotFound)
			return
		}
		for k, v := range a.header {
			rw.Header()[k] = v
		}
		if a.batches == nil {
			b := a.unary(body.Bytes())
			rw.Header().Set("Content-Length", strconv.Itoa(len(b)))
			rw.Write(b)
			return
		}
		flusher := rw.(http.Flusher)
		for i, b := range a.batches {
			if _, err := rw.Write(b); err != nil {
				return
			}
			if i < len(a.batches)-1 || a.hold {
				flusher.Flush()
			}
			if a.pause && i == 0 {
				time.Sleep(firstPause)
			}
		}
		if a.hold {
			select {
			case <-r.Context().Done():
			case <-time.After(2 * time.Minute):
			}
		}
	}))
}

// answerKey is the first element of the path.
func answerKey(path string) string {
	key, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return key
}

func (a *answer) unary(request []byte) []byte {
	if a.base64 != nil && bytes.Contains(request, []byte(`"encoding_format":"base64"`)) {
		return a.base64
	}
	return a.body
}

// startServer runs the fake upstream and returns its address, and how to end it.
func startServer(ctx context.Context) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = sync.OnceFunc(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the fake upstream did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// memory answers with the same bytes and no socket: what remains is the contestant's own work.
type memory struct {
	onRequest func(*http.Request, []byte) // nil, or sees each request; for tests
}

func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	body := getBuffer()
	defer putBuffer(body)
	if r.Body != nil {
		_, err := body.ReadFrom(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if m.onRequest != nil {
		m.onRequest(r, body.Bytes())
	}
	a := prepared().answers[answerKey(r.URL.Path)]
	if a == nil {
		return nil, errors.New("no such answer: " + r.URL.Path)
	}
	resp := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Request: r,
	}
	if a.batches == nil {
		b := a.unary(body.Bytes())
		resp.ContentLength = int64(len(b))
		resp.Body = io.NopCloser(bytes.NewReader(b))
		return resp, nil
	}
	resp.ContentLength = -1
	resp.Body = &batchReader{batches: a.batches}
	return resp, nil
}

// batchReader reads no further than a flush at a time, as a socket would.
type batchReader struct {
	batches [][]byte
	off     int
}

func (b *batchReader) Read(p []byte) (int, error) {
	if len(b.batches) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.batches[0][b.off:])
	if b.off += n; b.off == len(b.batches[0]) {
		b.batches, b.off = b.batches[1:], 0
	}
	return n, nil
}

func (b *batchReader) Close() error { return nil }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	return b
}

func putBuffer(b *bytes.Buffer) { buffers.Put(b) }
