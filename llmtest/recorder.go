package llmtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/llm-go/llm/internal/casefile"
)

// recordEnv makes [Tape] record.
const recordEnv = "LLMTEST_RECORD"

// Tape is an HTTP client for a test that talks to a real host once, and to the recording of that ever after:
//
//	client := llm.New(llm.WithHTTPClient(llmtest.Tape(t, "testdata/chat.txtar")))
//
// It replays the file. With the environment variable LLMTEST_RECORD set it records instead, and writes the file at
// the end of the test. secrets are values to be removed beside those that the [Recorder] finds by itself. When it
// replays, a request that the recording does not have fails, and so does a test that leaves a recorded one unused.
func Tape(t testing.TB, file string, secrets ...string) *http.Client {
	t.Helper()
	if os.Getenv(recordEnv) != "" {
		rec := NewRecorder(nil, secrets...)
		t.Cleanup(func() {
			if err := rec.Save(file); err != nil {
				t.Error(err)
			}
		})
		return &http.Client{Transport: rec}
	}
	p, err := Replay(file, secrets...)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v; record it with %s=1", err, recordEnv)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range p.Unused() {
			t.Errorf("%s: never asked for: %s", file, r)
		}
	})
	return &http.Client{Transport: p}
}

// Recorder is a transport that passes requests on and keeps what was exchanged, without the secrets in it: headers
// that carry credentials, keys in URLs, the same values wherever else they appear, what looks like a key of the large
// vendors, and the values that it was given. Prompts and answers stay: look at a recording before you publish it.
//
// It keeps an answer when its body has been read to the end or closed. Use it as the Transport of the client given to
// llm.WithHTTPClient.
//
// A value that a stream cuts between two of its events is not found: give the recorder its parts as well, or look
// the recording through.
type Recorder struct {
	next http.RoundTripper

	mu    sync.Mutex
	scrub scrubber
	list  []*recorded
}

// NewRecorder makes a recorder in front of a transport; nil is http.DefaultTransport. secrets are values to
// remove from the recording, such as a customer's name in the prompt.
func NewRecorder(next http.RoundTripper, secrets ...string) *Recorder {
	if next == nil {
		next = http.DefaultTransport
	}
	return &Recorder{next: next, scrub: newScrubber(secrets)}
}

// recorded is one exchange.
type recorded struct {
	method, url   string
	requestHeader http.Header
	request       []byte
	status        int
	header        http.Header
	response      []byte
	whole         bool // the body was read to its end
	err           error
}

// RoundTrip sends the request by the transport behind.
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &recorded{method: req.Method, requestHeader: req.Header.Clone()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		x.request = body
		out := *req
		out.Body = io.NopCloser(bytes.NewReader(body))
		req = &out
	}
	r.mu.Lock()
	r.scrub.learn(req)
	x.url = r.scrub.url(req.URL)
	r.list = append(r.list, x)
	r.mu.Unlock()
	resp, err := r.next.RoundTrip(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		x.err = err
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header.Clone()
	resp.Body = &recordedBody{ReadCloser: resp.Body, r: r, x: x}
	return resp, nil
}

type recordedBody struct {
	io.ReadCloser
	r *Recorder
	x *recorded
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.x.response = append(b.x.response, p[:n]...)
	if err == io.EOF {
		b.x.whole = true
	}
	return n, err
}

// cutHeader marks a recorded answer of which only the beginning was read.
const cutHeader = "X-Golden-Cut"

// noise are headers that say nothing to a test and change each time.
var noise = []string{"User-Agent", "Content-Length", "Set-Cookie", "Alt-Svc", "Nel", "Report-To", "Strict-Transport-Security", "Server", "Via", "Vary",
	"Cf-Ray", "Cf-Cache-Status", "Connection", "Transfer-Encoding", "X-Content-Type-Options", "X-Frame-Options", "X-Xss-Protection", "Server-Timing", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"}

// Save writes the exchanges to a file, and makes its directory if need be. The format is that of the cases of
// providers/providertest: sections request.1.http, response.1.http and so on.
func (r *Recorder) Save(file string) error {
	data, err := r.archive()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o666)
}

func (r *Recorder) archive() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &casefile.Archive{Comment: []byte("Recorded by llmtest. Secrets are removed.\n")}
	n := 0
	for _, x := range r.list {
		if x.err != nil {
			continue // there is nothing to replay
		}
		n++
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s\n", x.method, r.scrub.text(x.url))
		r.write(&b, x.requestHeader, x.request)
		a.Set(fmt.Sprintf("request.%d.http", n), bytes.Clone(b.Bytes()))
		b.Reset()
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", x.status, http.StatusText(x.status))
		h := x.header.Clone()
		if !x.whole {
			h.Set(cutHeader, "true")
		}
		r.write(&b, h, x.response)
		a.Set(fmt.Sprintf("response.%d.http", n), b.Bytes())
	}
	if n == 0 {
		return nil, errors.New("llmtest: nothing was recorded")
	}
	return a.Format(), nil
}

func (r *Recorder) write(b *bytes.Buffer, h http.Header, body []byte) {
	h = r.scrub.header(h)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.Contains(noise, name) {
			continue
		}
		for _, v := range h[name] {
			fmt.Fprintf(b, "%s: %s\n", name, strings.ReplaceAll(v, "\n", " "))
		}
	}
	body = r.scrub.body(body, h.Get("Content-Type"))
	if plainBody(body) {
		b.WriteString("\n")
		b.Write(body)
		return
	}
	b.WriteString("X-Golden-Encoding: base64\n\n")
	text := base64.StdEncoding.EncodeToString(body)
	for len(text) > 100 {
		b.WriteString(text[:100] + "\n")
		text = text[100:]
	}
	b.WriteString(text + "\n")
}

// plainBody says that a body comes back from the archive byte for byte: it is text that ends with a line, or that a
// line end more does not change, and nothing in it looks like a section.
func plainBody(body []byte) bool {
	if !utf8.Valid(body) || bytes.ContainsAny(body, "\r\x00") {
		return false
	}
	if len(body) > 0 && body[len(body)-1] != '\n' && !isJSON(body) {
		return false
	}
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte("-- ")) {
			return false
		}
	}
	return true
}
