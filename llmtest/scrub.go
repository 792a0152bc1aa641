package llmtest

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-go/llm/stream"
)

const redacted = "REDACTED"

// secretHeaders carry credentials, in requests or in answers.
var secretHeaders = []string{"Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Xi-Api-Key", "X-Auth-Token",
	"Cookie", "Set-Cookie", "X-Amz-Security-Token", "Openai-Organization", "Openai-Project", "Anthropic-Organization-Id"}

func secretHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	if slices.Contains(secretHeaders, name) {
		return true
	}
	lower := strings.ToLower(name)
	return strings.Contains(lower, "secret") || strings.HasSuffix(lower, "-token") || strings.HasSuffix(lower, "-api-key")
}

// secretQuery are query parameters that carry credentials.
var secretQuery = []string{"key", "api_key", "apikey", "api-key", "access_token", "token", "sig", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token"}

// keyShapes are what the keys of the large vendors look like: they are removed wherever they stand.
var keyShapes = regexp.MustCompile(`\b(sk-[A-Za-z0-9_-]{16,}|AIza[0-9A-Za-z_-]{30,}|(?:AKIA|ASIA)[0-9A-Z]{16}|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|ya29\.[A-Za-z0-9_-]{20,})`)

// scrubber removes secrets from what is written down.
type scrubber struct{ values []string }

// learn takes the credentials of a request, so that they are removed also where a host echoes them.
func (s *scrubber) learn(r *http.Request) {
	for name, values := range r.Header {
		if !secretHeader(name) {
			continue
		}
		for _, v := range values {
			_, rest, ok := strings.Cut(v, " ")
			if ok { // "Bearer KEY"; of a signature there is nothing to learn
				v = rest
			}
			s.add(v)
		}
	}
	for _, name := range secretQuery {
		s.add(r.URL.Query().Get(name))
	}
}

func (s *scrubber) add(v string) {
	if len(v) >= 8 && !slices.Contains(s.values, v) {
		s.values = append(s.values, v)
	}
}

func (s *scrubber) text(t string) string {
	for _, v := range s.values {
		t = strings.ReplaceAll(t, v, redacted)
	}
	return keyShapes.ReplaceAllString(t, redacted)
}

func (s *scrubber) header(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		if secretHeader(name) {
			out[name] = []string{redacted}
			continue
		}
		for _, v := range values {
			out[name] = append(out[name], s.text(v))
		}
	}
	return out
}

func (s *scrubber) url(u *url.URL) string {
	c := *u
	c.User = nil
	q := c.Query()
	changed := false
	for name := range q {
		if slices.ContainsFunc(secretQuery, func(k string) bool { return strings.EqualFold(k, name) }) {
			q.Set(name, redacted)
			changed = true
		}
	}
	if changed {
		c.RawQuery = q.Encode()
	}
	return s.text(c.String())
}

// newScrubber removes the given values beside those that it finds.
func newScrubber(values []string) scrubber {
	var s scrubber
	for _, v := range values {
		if v != "" && !slices.Contains(s.values, v) {
			s.values = append(s.values, v)
		}
	}
	return s
}

// body removes secrets from a body of any kind.
func (s *scrubber) body(b []byte, contentType string) []byte {
	if strings.HasPrefix(contentType, "application/vnd.amazon.eventstream") {
		return s.frames(b)
	}
	for _, v := range s.values {
		b = bytes.ReplaceAll(b, []byte(v), []byte(redacted))
	}
	return keyShapes.ReplaceAll(b, []byte(redacted))
}

// frames removes them from the payloads of an event stream, whose frames have their length and checksums. What
// follows the last whole frame is left out.
func (s *scrubber) frames(b []byte) []byte {
	var out []byte
	r := stream.NewAWS(bytes.NewReader(b), 0)
	for {
		m, err := r.Next()
		if err != nil {
			return out
		}
		m.Payload = s.body(m.Payload, "")
		out = stream.AppendAWS(out, m)
	}
}
