package s3

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/llm-go/llm/cache/cachetest"
	"github.com/stretchr/testify/require"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "canary/secret+key"
	token     = "canary-session-token"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: token}, nil
})

// storage is a small S3: it has one bucket, and checks signatures.
type storage struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]stored
	paths   []string
}

type stored struct {
	body   []byte
	header http.Header
}

func newStorage(t testing.TB) *storage {
	s := &storage{objects: make(map[string]stored)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *storage) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, r.Method+" "+r.URL.Path)
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>m</Message></Error>`, code)
	}
	if why := checkSignature(r, body); why != "" {
		refuse(http.StatusForbidden, why)
		return
	}
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != "answers" {
		refuse(http.StatusNotFound, "NoSuchBucket")
		return
	}
	switch r.Method {
	case http.MethodPut:
		s.objects[name] = stored{body, r.Header}
	case http.MethodGet:
		o, ok := s.objects[name]
		if !ok {
			refuse(http.StatusNotFound, "NoSuchKey")
			return
		}
		for k, v := range o.header {
			if strings.HasPrefix(k, "X-Amz-Meta-") {
				w.Header()[k] = v
			}
		}
		_, _ = w.Write(o.body)
	}
}

// checkSignature follows "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference.
func checkSignature(r *http.Request, body []byte) string {
	parts := map[string]string{}
	for _, p := range strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		parts[k] = v
	}
	scope := strings.SplitN(parts["Credential"], "/", 2)
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if len(scope) != 2 || scope[0] != accessKey || r.Header.Get("X-Amz-Content-Sha256") != hash || r.Header.Get("X-Amz-Security-Token") != token {
		return "InvalidAccessKeyId"
	}
	var headers strings.Builder
	signed := strings.Split(parts["SignedHeaders"], ";")
	for _, h := range signed {
		v := r.Header.Get(h)
		switch h {
		case "host":
			v = r.Host
		case "content-length":
			v = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", h, strings.TrimSpace(v))
	}
	for h := range r.Header {
		if h = strings.ToLower(h); strings.HasPrefix(h, "x-amz-") && !strings.Contains(";"+parts["SignedHeaders"]+";", ";"+h+";") {
			return "HeaderNotSigned"
		}
	}
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, headers.String(), parts["SignedHeaders"], hash}, "\n")
	sum = sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + secretKey)
	mac := func(text string) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		key = m.Sum(nil)
	}
	for _, part := range strings.Split(scope[1], "/") { // date, region, service, aws4_request
		mac(part)
	}
	mac("AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope[1] + "\n" + hex.EncodeToString(sum[:]))
	if !strings.HasSuffix(scope[1], "/eu-central-1/s3/aws4_request") || parts["Signature"] != hex.EncodeToString(key) {
		return "SignatureDoesNotMatch"
	}
	return ""
}

func config(s *storage) CacheConfig {
	return CacheConfig{Bucket: "answers", Region: "eu-central-1", Endpoint: s.URL, Credentials: credentials}
}

func open(t testing.TB, c CacheConfig) *CacheStore {
	t.Helper()
	s, err := NewCacheStore(c)
	require.NoError(t, err)
	return s
}

func TestCacheStore(t *testing.T) {
	s := newStorage(t)
	cachetest.Run(t, func(t *testing.T) cachetest.Subject {
		var mu sync.Mutex
		now := time.Now()
		c := config(s)
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		return cachetest.Subject{Store: open(t, c), Advance: func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }}
	})
}

func TestNames(t *testing.T) {
	key := cache.Key{0xab}
	for want, c := range map[string]CacheConfig{
		"https://answers.s3.eu-central-1.amazonaws.com/llm/cache/":    {Bucket: "answers"},
		"https://s3.eu-central-1.amazonaws.com/answers.example/a/":    {Bucket: "answers.example", Prefix: "a/"},
		"https://minio.example:9000/answers/llm/cache/":               {Bucket: "answers", Endpoint: "https://minio.example:9000/"},
		"https://storage.example/below/answers/team-a_1.x/":           {Bucket: "answers", Endpoint: "https://storage.example/below", Prefix: "team-a_1.x/"},
		"http://127.0.0.1:9000/answers/llm/cache/":                    {Bucket: "answers", Endpoint: "http://127.0.0.1:9000"},
		"https://account.r2.cloudflarestorage.com/answers/llm/cache/": {Bucket: "answers", Endpoint: "https://account.r2.cloudflarestorage.com"},
		"https://answers-2.s3.eu-central-1.amazonaws.com/llm/cache/":  {Bucket: "answers-2"},
	} {
		c.Region, c.Credentials = "eu-central-1", credentials
		var got string
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return &http.Response{StatusCode: 404, Body: http.NoBody, Header: http.Header{}}, nil
		})}
		b, err := open(t, c).Get(t.Context(), key)
		require.NoError(t, err)
		require.Nil(t, b)
		require.Equal(t, want+key.String(), got)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConfigMistakes(t *testing.T) {
	good := CacheConfig{Bucket: "answers", Region: "us-east-1", Credentials: credentials}
	_, err := NewCacheStore(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*CacheConfig){
		"Bucket": func(c *CacheConfig) { c.Bucket = "Answers" }, "Prefix": func(c *CacheConfig) { c.Prefix = "a b" },
		"Prefix may": func(c *CacheConfig) { c.Prefix = "/a" }, "Region": func(c *CacheConfig) { c.Region = "" },
		"Credentials": func(c *CacheConfig) { c.Credentials = nil }, "Endpoint": func(c *CacheConfig) { c.Endpoint = "minio:9000" },
		"Endpoint must": func(c *CacheConfig) { c.Endpoint = "https://user:pass@minio" },
	} {
		c := good
		change(&c)
		_, err := NewCacheStore(c)
		require.ErrorContains(t, err, want)
	}
}

// What goes wrong is told in the storage's word for it, without URLs, keys or tokens; the rest is a miss.
func TestErrors(t *testing.T) {
	key := cache.Key{1}
	answer := func(status int, header http.Header, body string) http.RoundTripper {
		return transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
	}
	for name, tt := range map[string]struct {
		transport http.RoundTripper
		want      string // "" is a miss
	}{
		"denied":             {answer(403, nil, "<Error><Code>AccessDenied</Code></Error>"), "status 403 AccessDenied"},
		"no XML":             {answer(500, nil, "canary "+secretKey), "status 500"},
		"no bucket":          {answer(404, nil, "<Error><Code>NoSuchBucket</Code></Error>"), "NoSuchBucket"},
		"another region":     {answer(301, http.Header{"X-Amz-Bucket-Region": {"us-west-2"}, "Location": {"http://evil.example"}}, ""), "region, us-west-2"},
		"too large":          {answer(200, nil, strings.Repeat("x", 101)), "MaxBytes"},
		"connection":         {transport(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }), "unexpected EOF"},
		"nothing in it":      {answer(200, nil, ""), ""},
		"not there":          {answer(404, nil, "<Error><Code>NoSuchKey</Code></Error>"), ""},
		"an end of nonsense": {answer(200, http.Header{expires: {"soon"}}, "x"), ""},
	} {
		s := open(t, CacheConfig{Bucket: "answers", Region: "us-east-1", Credentials: credentials, MaxBytes: 100, HTTPClient: &http.Client{Transport: tt.transport}})
		b, err := s.Get(t.Context(), key)
		require.Nil(t, b, name)
		if tt.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, tt.want, name)
		for _, secret := range []string{"canary", secretKey, token, accessKey, "amazonaws", key.String()} {
			require.NotContains(t, err.Error(), secret)
		}
	}
	s := open(t, CacheConfig{Bucket: "answers", Region: "us-east-1", HTTPClient: &http.Client{Transport: answer(403, nil, "")},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, io.ErrClosedPipe })})
	require.ErrorIs(t, s.Set(t.Context(), key, []byte("x"), 0), io.ErrClosedPipe)
}

// A cache on it: one request to read and one to write, and a hit that is a stream.
func TestCache(t *testing.T) {
	s := newStorage(t)
	c, err := cache.New(cache.Config{Store: open(t, config(s)), StoreTimeout: 10 * time.Second})
	require.NoError(t, err)
	client := llm.New(llm.WithMiddleware(c.Middleware), llm.WithMock("Paris."))
	req := &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("?")}}
	_, err = client.Completion(t.Context(), req)
	require.NoError(t, err)
	stream, err := client.CompletionStream(t.Context(), req)
	require.NoError(t, err)
	r, err := llm.Collect(stream)
	require.NoError(t, err)
	require.Equal(t, "Paris.", r.Text())
	require.NotNil(t, r.Meta.Cache)
	require.Len(t, s.paths, 3)
	require.Regexp(t, "^PUT /answers/llm/cache/[0-9a-f]{64}$", s.paths[1])
	for _, o := range s.objects {
		require.NotContains(t, string(o.body), "canary")
	}
}

// Storage that hangs costs a call its budget, and no more.
func TestFrozenStorage(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(hang)
	failures := 0
	c, err := cache.New(cache.Config{StoreTimeout: 20 * time.Millisecond, OnError: func(err error) {
		failures++
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}, Store: open(t, CacheConfig{Bucket: "answers", Region: "us-east-1", Endpoint: srv.URL, Credentials: credentials})})
	require.NoError(t, err)
	client := llm.New(llm.WithMiddleware(c.Middleware), llm.WithMock("Paris."))
	for range 5 {
		_, err := client.Completion(t.Context(), &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("?")}})
		require.NoError(t, err)
	}
	require.Equal(t, 3, failures)
}
