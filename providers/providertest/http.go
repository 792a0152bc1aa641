package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm/internal/casefile"
	"github.com/llm-go/llm/stream"
)

// wantRequest is a request.http section.
type wantRequest struct {
	method, target string
	header         [][2]string
	absent         []string
	body           []byte
}

// canned is a response.http, stream.http or stream.aws section.
type canned struct {
	status int
	header http.Header
	body   []byte
	binary bool // a cut anywhere cuts the last frame, whatever byte it ends with
}

func parseRequest(data []byte) (*wantRequest, error) {
	first, head, body := splitHTTP(data)
	w := &wantRequest{body: bytes.TrimSuffix(body, []byte("\n"))}
	var ok bool
	if w.method, w.target, ok = strings.Cut(first, " "); !ok || w.target == "" {
		return nil, fmt.Errorf("line 1 is %q; want a method and a target, such as POST /v1/messages", first)
	}
	w.target = strings.TrimSuffix(w.target, " HTTP/1.1")
	for _, line := range head {
		if name, ok := strings.CutPrefix(line, "!"); ok {
			w.absent = append(w.absent, strings.TrimSpace(name))
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("header line %q has no colon", line)
		}
		w.header = append(w.header, [2]string{name, strings.TrimSpace(value)})
	}
	return w, nil
}

func parseResponse(data []byte) (*canned, error) {
	first, head, body := splitHTTP(data)
	c := &canned{header: make(http.Header), body: body}
	words := strings.Fields(first)
	if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/") {
		return nil, fmt.Errorf("line 1 is %q; want a status line, such as HTTP/1.1 200", first)
	}
	var err error
	if c.status, err = strconv.Atoi(words[1]); err != nil {
		return nil, fmt.Errorf("status %q is not a number", words[1])
	}
	for _, line := range head {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("header line %q has no colon", line)
		}
		c.header.Add(name, strings.TrimSpace(value))
	}
	switch enc := c.header.Get("X-Golden-Encoding"); enc {
	case "":
		if c.isSSE() && !bytes.HasSuffix(body, []byte("\n\n")) && !bytes.HasSuffix(body, []byte("\r\n\r\n")) {
			c.body = append(bytes.Clone(body), '\n') // the blank line that editors like to trim
		}
	case "base64":
		c.header.Del("X-Golden-Encoding")
		if c.body, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(body)), "")); err != nil {
			return nil, fmt.Errorf("body is not base64: %w", err)
		}
		c.binary = !c.isJSON()
	default:
		return nil, fmt.Errorf("X-Golden-Encoding %q is unknown; there is base64", enc)
	}
	return c, nil
}

// parseAWS frames the JSON lines of a stream.aws section.
func parseAWS(data []byte) (*canned, error) {
	c, err := parseResponse(data)
	if err != nil {
		return nil, err
	}
	lines := c.body
	c.body, c.binary = nil, true
	for line := range bytes.Lines(lines) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var frame struct {
			Headers map[string]string `json:"headers"`
			Payload json.RawMessage   `json:"payload"`
		}
		if err := casefile.StrictJSON(line, &frame); err != nil {
			return nil, fmt.Errorf("frame %s: %w", line, err)
		}
		var m stream.Message
		for _, name := range slices.Sorted(maps.Keys(frame.Headers)) {
			m.Headers = append(m.Headers, stream.Header{Name: name, Value: frame.Headers[name]})
		}
		var text string
		if m.Payload = frame.Payload; json.Unmarshal(frame.Payload, &text) == nil {
			m.Payload = []byte(text)
		}
		c.body = stream.AppendAWS(c.body, m)
	}
	return c, nil
}

// splitHTTP cuts a message into its first line, its header lines, and what follows the first blank line.
func splitHTTP(data []byte) (first string, head []string, body []byte) {
	for n := 0; len(data) > 0; n++ {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, data = data[:i], data[i+1:]
		} else {
			data = nil
		}
		text := strings.TrimRight(string(line), "\r")
		switch {
		case n == 0:
			first = text
		case text == "":
			return first, head, data
		default:
			head = append(head, text)
		}
	}
	return first, head, nil
}

func (c *canned) mediaType() string {
	t, _, _ := mime.ParseMediaType(c.header.Get("Content-Type"))
	return t
}

func (c *canned) isSSE() bool { return c.mediaType() == "text/event-stream" }

func (c *canned) isJSON() bool {
	t := c.mediaType()
	return t == "application/json" || strings.HasSuffix(t, "+json") || t == "" && json.Valid(c.body)
}

// with is the same response with another body.
func (c *canned) with(body []byte) *canned {
	d := *c
	d.body = body
	return &d
}

// sent is a request that arrived at the fake transport.
type sent struct {
	method string
	url    *url.URL
	host   string
	header http.Header
	body   []byte
}

func (s *sent) isJSON() bool {
	t, _, _ := mime.ParseMediaType(s.header.Get("Content-Type"))
	return len(s.body) > 0 && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// diff tells how the request differs from the one wanted; "" if it does not.
func (w *wantRequest) diff(s *sent) string {
	var out []string
	if s.method != w.method {
		out = append(out, fmt.Sprintf("method: got %s, want %s", s.method, w.method))
	}
	if d := diffTarget(s.url, w.target); d != "" {
		out = append(out, d)
	}
	for _, h := range w.header {
		got := normalHeader(h[0], strings.Join(s.header.Values(h[0]), ", "))
		want := normalHeader(h[0], strings.ReplaceAll(h[1], "$KEY", Key))
		switch {
		case got == "" && want != "":
			out = append(out, fmt.Sprintf("header %s is missing, want %q", h[0], want))
		case !glob(want, got):
			out = append(out, fmt.Sprintf("header %s: got %q, want %q", h[0], got, want))
		}
	}
	for _, name := range w.absent {
		if v, ok := s.header[textproto.CanonicalMIMEHeaderKey(name)]; ok {
			out = append(out, fmt.Sprintf("header %s must be absent, got %q", name, v))
		}
	}
	if d := diffBody(s, w.body); d != "" {
		out = append(out, d)
	}
	return strings.Join(out, "\n")
}

func diffTarget(got *url.URL, want string) string {
	u, err := url.Parse(want)
	if err != nil {
		return "target " + want + ": " + err.Error()
	}
	same := got.EscapedPath() == u.EscapedPath() && got.Query().Encode() == u.Query().Encode()
	shown := got.RequestURI()
	if u.Host != "" {
		same = same && got.Host == u.Host && got.Scheme == u.Scheme
		shown = got.String()
	}
	if same {
		return ""
	}
	return fmt.Sprintf("target: got %s, want %s", shown, want)
}

func diffBody(s *sent, want []byte) string {
	if json.Valid(want) {
		if !json.Valid(s.body) {
			return fmt.Sprintf("body is not JSON: %q", casefile.Clip(s.body))
		}
		return casefile.Prefixed("body", casefile.DiffJSON(s.body, want))
	}
	got := plainText(s.body, boundary(s.header.Get("Content-Type")))
	text := plainText(want, wantBoundary(want))
	if got == text {
		return ""
	}
	return casefile.Prefixed("body", casefile.DiffLines(got, text))
}

// plainText reads CRLF as LF and calls every multipart boundary by the same name.
func plainText(b []byte, boundary string) string {
	s := strings.ReplaceAll(string(b), "\r\n", "\n")
	if boundary != "" {
		s = strings.ReplaceAll(s, boundary, "BOUNDARY")
	}
	return strings.TrimRight(s, "\n")
}

func boundary(contentType string) string {
	_, params, _ := mime.ParseMediaType(contentType)
	return params["boundary"]
}

func wantBoundary(body []byte) string {
	if rest, ok := bytes.CutPrefix(body, []byte("--")); ok {
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		return strings.TrimRight(string(line), "\r")
	}
	return ""
}

func normalHeader(name, value string) string {
	if strings.EqualFold(name, "Content-Type") {
		if b := boundary(value); b != "" {
			return strings.ReplaceAll(strings.ReplaceAll(value, `"`, ""), b, "BOUNDARY")
		}
	}
	return value
}

// glob matches a pattern in which * stands for any text.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1:last] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[last])
}
