package llmtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/casefile"
)

// Player is a transport that answers from a recording. It matches requests by method, URL and body (JSON by
// meaning), takes each recorded exchange once, and asks no network.
type Player struct {
	mu    sync.Mutex
	list  []*recorded
	used  []bool
	scrub scrubber
}

// Replay reads a recording made by a [Recorder]. secrets are those that the recorder was given: requests that hold
// them match what was written down without.
func Replay(file string, secrets ...string) (*Player, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("llmtest: %w", err)
	}
	a := casefile.Parse(data)
	p := &Player{scrub: newScrubber(secrets)}
	for n := 1; ; n++ {
		request, ok := a.Get(fmt.Sprintf("request.%d.http", n))
		if !ok {
			break
		}
		response, ok := a.Get(fmt.Sprintf("response.%d.http", n))
		if !ok {
			return nil, fmt.Errorf("llmtest: %s: request %d has no response", file, n)
		}
		x, err := readRecorded(request, response)
		if err != nil {
			return nil, fmt.Errorf("llmtest: %s: exchange %d: %w", file, n, err)
		}
		p.list = append(p.list, x)
	}
	if len(p.list) == 0 {
		return nil, fmt.Errorf("llmtest: %s has no recorded exchange", file)
	}
	p.used = make([]bool, len(p.list))
	return p, nil
}

func readRecorded(request, response []byte) (*recorded, error) {
	x := new(recorded)
	first, h, body, err := readMessage(request)
	if err != nil {
		return nil, err
	}
	var ok bool
	if x.method, x.url, ok = strings.Cut(first, " "); !ok {
		return nil, fmt.Errorf("the request begins with %q", first)
	}
	x.requestHeader, x.request = h, body
	if first, x.header, x.response, err = readMessage(response); err != nil {
		return nil, err
	}
	words := strings.Fields(first)
	if len(words) < 2 {
		return nil, fmt.Errorf("the response begins with %q", first)
	}
	if x.status, err = strconv.Atoi(words[1]); err != nil {
		return nil, fmt.Errorf("the response begins with %q", first)
	}
	x.whole = x.header.Get(cutHeader) == ""
	x.header.Del(cutHeader)
	return x, nil
}

func readMessage(data []byte) (first string, h http.Header, body []byte, err error) {
	head, body, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok {
		head, body = bytes.TrimSuffix(data, []byte("\n")), nil
	}
	first, rest, _ := strings.Cut(string(head), "\n")
	h = make(http.Header)
	for line := range strings.Lines(rest) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok {
			return "", nil, nil, fmt.Errorf("header line %q has no colon", line)
		}
		h.Add(name, strings.TrimSpace(value))
	}
	if h.Get("X-Golden-Encoding") == "base64" {
		h.Del("X-Golden-Encoding")
		if body, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(body)), "")); err != nil {
			return "", nil, nil, err
		}
	} else if b := bytes.TrimSuffix(body, []byte("\n")); isJSON(b) {
		body = b
	}
	return first, h, body, nil
}

// RoundTrip answers from the recording. A request that is not in it fails with what comes nearest.
func (p *Player) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scrub.learn(req)
	target := p.scrub.url(req.URL)
	body = p.scrub.body(body, "")
	nearest, spent := "", false
	for i, x := range p.list {
		d := x.diff(req.Method, target, req.Header.Get("Content-Type"), body)
		switch {
		case d == "" && p.used[i]:
			spent = true
		case d == "":
			p.used[i] = true
			return x.answer(req), nil
		case !p.used[i] && nearest == "":
			nearest = fmt.Sprintf("The next one recorded is %s %s, which differs:\n%s", x.method, x.url, d)
		}
	}
	message := fmt.Sprintf("llmtest: the recording has no %s %s", req.Method, target)
	if spent {
		message += " any more: it was asked for more often than it was recorded"
	}
	message += ". Record anew with " + recordEnv + "=1."
	if nearest != "" {
		message += " " + nearest
	}
	// Not temporary: asking again does not change the file.
	return nil, &llm.Error{Kind: llm.ErrRefused, Scope: llm.ScopeLocal, Message: message, Err: errors.New(message)}
}

// Unused are the recorded requests that were not asked for.
func (p *Player) Unused() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for i, x := range p.list {
		if !p.used[i] {
			list = append(list, x.method+" "+x.url)
		}
	}
	return list
}

func (x *recorded) diff(method, target, contentType string, body []byte) string {
	if method != x.method || !sameURL(target, x.url) {
		return fmt.Sprintf("it is %s %s", x.method, x.url)
	}
	if isJSON(x.request) && isJSON(body) {
		return casefile.DiffJSON(body, x.request)
	}
	got := withoutBoundary(body, contentType)
	want := withoutBoundary(x.request, x.requestHeader.Get("Content-Type"))
	if bytes.Equal(got, want) {
		return ""
	}
	return "the bodies are not the same"
}

func sameURL(a, b string) bool {
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	if err1 != nil || err2 != nil {
		return a == b
	}
	return x.Scheme == y.Scheme && x.Host == y.Host && x.EscapedPath() == y.EscapedPath() && x.Query().Encode() == y.Query().Encode()
}

// withoutBoundary: the boundaries of forms are made up each time.
func withoutBoundary(body []byte, contentType string) []byte {
	_, params, err := mime.ParseMediaType(contentType)
	if b := params["boundary"]; err == nil && b != "" {
		return bytes.ReplaceAll(body, []byte(b), []byte("BOUNDARY"))
	}
	return body
}

func (x *recorded) answer(req *http.Request) *http.Response {
	var end error = io.EOF
	if !x.whole {
		end = io.ErrUnexpectedEOF
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", x.status, http.StatusText(x.status)), StatusCode: x.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: x.header.Clone(), ContentLength: -1, Request: req,
		Body: io.NopCloser(io.MultiReader(bytes.NewReader(slices.Clone(x.response)), &ending{end})),
	}
}

// ending is a reader that is at its end.
type ending struct{ err error }

func (e *ending) Read([]byte) (int, error) { return 0, e.err }

func isJSON(b []byte) bool { return len(b) > 0 && json.Valid(b) }
