package llmtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm"
)

// Key is the key that [Server.Options] gives to clients. The server takes any other as well, and none.
const Key = "llmtest-key"

// Server is a host of models for tests: see the package's documentation. Its methods may be called at any time,
// also while requests are being answered.
type Server struct {
	// URL is where the server listens: "http://127.0.0.1:port", or "https://…" with TLS.
	URL string

	http   *http.Server
	client *http.Client
	port   string
	ctx    context.Context // ends with Close: whoever waits goes
	cancel context.CancelFunc
	// Connections: how many there have been, how many are open, and those that wait for a request.
	accepted, open atomic.Int64
	idle           sync.Map
	hole           net.Listener // of ConnectStall
	holeOnce       sync.Once

	mu           sync.Mutex
	replies      []Answer
	handle       func(Request) Answer
	once         []Fault
	always       Fault
	requests     []Request
	serial       map[string]int
	certificates map[Fault]*tls.Certificate
}

// NewServer starts a server that is closed at the end of the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	return started(t, Start)
}

// NewTLSServer starts a server with TLS and HTTP/2 that is closed at the end of the test; see [StartTLS].
func NewTLSServer(t testing.TB) *Server {
	t.Helper()
	return started(t, StartTLS)
}

func started(t testing.TB, start func() (*Server, error)) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server for programs that are no test. Close it when it is no longer needed.
func Start() (*Server, error) { return start("http") }

// StartTLS starts a server that speaks TLS, and HTTP/2 with clients that want it. Its certificate is made in this process;
// [Server.Client] and [Server.HTTPClient] trust it, other clients need [CA].
func StartTLS() (*Server, error) { return start("https") }

func start(scheme string) (*Server, error) {
	inner, err := listen()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: scheme + "://" + inner.Addr().String(), port: portOf(inner), client: newHTTPClient(), serial: make(map[string]int),
		certificates: make(map[Fault]*tls.Certificate)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	l := &listener{Listener: inner, s: s, secure: scheme == "https", ready: make(chan net.Conn)}
	if l.secure {
		if _, err := s.certificate(""); err != nil {
			inner.Close()
			return nil, err
		}
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: s.connState}
	servers.Store(s.port, s)
	go l.run()
	go s.http.Serve(l)
	return s, nil
}

// Close ends all answers and closes all connections.
func (s *Server) Close() {
	servers.CompareAndDelete(s.port, s)
	s.cancel()
	s.http.Close()
	s.client.CloseIdleConnections()
	s.holeOnce.Do(func() {}) // from here on there is none
	if s.hole != nil {
		s.hole.Close()
	}
}

// Reply adds answers to the script of the operations that answer with text: completions and responses, in whichever
// dialect they are asked for, and transcriptions. They are given one per request, in order; the last one repeats. A zero Answer is the server's own: a sample of the JSON schema
// that was asked for, or what the user said, repeated.
func (s *Server) Reply(answers ...Answer) {
	for _, a := range answers {
		s.mustKnow(a.Fault)
		if a.Fault.stage() != atRequest {
			panic("llmtest: the fault " + strconv.Quote(string(a.Fault)) + " comes before any answer: set it by Server.Fault")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies = append(s.replies, answers...)
}

// Handle has f answer requests of every operation, instead of the script. For a zero Answer the script, and then the
// server itself, go on. f runs in the request's goroutine, several at a time.
func (s *Server) Handle(f func(Request) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle = f
}

// Fault makes the next requests fail, one for each fault given, in order. The request after them is answered as if
// nothing had been: the script waits.
//
// A fault of the way to the server, or of TLS or HTTP/2, strikes the next new connection instead. Connections that are idle
// when it is set are closed, so that the next request needs one.
func (s *Server) Fault(faults ...Fault) {
	for _, f := range faults {
		s.mustKnow(f)
	}
	s.mu.Lock()
	s.once = append(s.once, faults...)
	s.mu.Unlock()
	if slices.ContainsFunc(faults, Fault.ofConnection) {
		s.closeIdle()
	}
}

// FaultAlways makes all requests, or all new connections, fail, until it is called with "".
func (s *Server) FaultAlways(f Fault) {
	s.mustKnow(f)
	s.mu.Lock()
	s.always = f
	s.mu.Unlock()
	if f.ofConnection() {
		s.closeIdle()
	}
}

// closeIdle closes idle connections at both ends.
func (s *Server) closeIdle() {
	s.client.CloseIdleConnections()
	s.idle.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
}

func (s *Server) mustKnow(f Fault) {
	if !f.known() {
		panic("llmtest: unknown fault " + strconv.Quote(string(f)))
	}
	if f.needsTLS() && strings.HasPrefix(s.URL, "http:") {
		panic("llmtest: the fault " + strconv.Quote(string(f)) + " needs a server with TLS: use NewTLSServer or StartTLS")
	}
}

// Reset forgets requests, answers and faults, for the next part of a test.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.replies, s.handle, s.once, s.always = nil, nil, nil, nil, ""
}

// Requests are those that arrived so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// TakeRequests is [Server.Requests], and forgets them: for long runs.
func (s *Server) TakeRequests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.requests
	s.requests = nil
	return taken
}

// BaseURL is the base URL under which a provider finds its API here. Any prefix is taken, so the URL with the
// version that the vendor's own clients add is right as well.
func (s *Server) BaseURL(provider string) string { return s.URL + "/" + provider }

// Options point providers at this server, with a key and the transport of [Server.HTTPClient], and read nothing from
// the environment. Without names they are openai, anthropic, gemini and bedrock; every other provider that speaks one of their APIs is as good.
func (s *Server) Options(providers ...string) []llm.Option {
	if len(providers) == 0 {
		providers = []string{"openai", "anthropic", "gemini", "bedrock"}
	}
	opts := []llm.Option{llm.WithoutEnv(), llm.WithSetting("AWS_REGION", "us-east-1"), llm.WithHTTPClient(s.client)}
	for _, p := range providers {
		opts = append(opts, llm.WithProviderBaseURL(p, s.BaseURL(p)), llm.WithProviderKey(p, Key))
	}
	return opts
}

// Client is a client of this server with its [Server.Options] for the four providers that it speaks for, and
// further options on top.
func (s *Server) Client(opts ...llm.Option) *llm.Client {
	return llm.New(append(s.Options(), opts...)...)
}

// serve answers a request.
func (s *Server) serve(w http.ResponseWriter, hr *http.Request) {
	if f := s.take(atUpload); f != "" {
		s.refuseUpload(w, hr, f)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, 256<<20))
	if err != nil {
		return
	}
	r, ok := route(hr, body)
	key := r.takeHeader(hr.Header)
	r.Redirected = hr.URL.Query().Has(redirectMark)
	fault := s.record(r)
	e := &exchange{s: s, w: w, hr: hr, r: r, codec: codecs[r.Dialect], id: s.id("req_")}
	if !ok {
		e.fail(failure{status: 404, message: fmt.Sprintf("llmtest does not know %s %s.", r.Method, r.Path)}, nil)
		return
	}
	a := s.answer(r, fault)
	if a.Fault != "" && fault == "" {
		fault = a.Fault
	}
	if fault != "" && (!fault.known() || fault.stage() != atRequest) { // Handle's; the other ways in have looked
		e.fail(failure{status: 500, message: "llmtest: no answer can have the fault " + strconv.Quote(string(fault)) + "."}, nil)
		return
	}
	if fault.name() == Flapping && s.count("flap")%2 == 0 {
		fault = ""
	}
	e.answer, e.fault, e.key = a, fault, key
	if !e.sleep(a.Latency) {
		return
	}
	e.serve()
}

// refuseUpload leaves the request's body unread.
func (s *Server) refuseUpload(w http.ResponseWriter, hr *http.Request, f Fault) {
	r, _ := route(hr, nil)
	r.takeHeader(hr.Header)
	s.mu.Lock()
	s.requests = append(s.requests, *r)
	s.mu.Unlock()
	e := &exchange{s: s, w: w, hr: hr, r: r, codec: codecs[r.Dialect], id: s.id("req_")}
	if f == UploadStall {
		e.hang()
		return
	}
	e.fail(failure{status: http.StatusRequestEntityTooLarge, message: "The request is too large."}, nil)
}

// record keeps the request and picks its fault.
func (s *Server) record(r *Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, *r)
	return s.takeLocked(atRequest)
}

// answer is the next of the script, or what the handler makes.
func (s *Server) answer(r *Request, fault Fault) *Answer {
	s.mu.Lock()
	handle := s.handle
	s.mu.Unlock()
	var a Answer
	if handle != nil {
		a = handle(*r)
	}
	if a.isZero() && r.scripted() {
		var next Answer
		s.mu.Lock()
		if len(s.replies) > 0 {
			next = s.replies[0]
			// A request that fails leaves the script where it is, unless what fails is the answer itself.
			if _, _, reported := fault.reported(r, ""); len(s.replies) > 1 && !reported && !fault.noAnswer() {
				s.replies = s.replies[1:]
			}
		}
		s.mu.Unlock()
		next.merge(a)
		a = next
	}
	if a.isZero() && r.scripted() {
		a.Text = r.own()
	}
	return a.complete(r, s.id)
}

// merge takes how it is sent from a handler that left it open what is sent.
func (a *Answer) merge(how Answer) {
	if how.Latency > 0 {
		a.Latency = how.Latency
	}
	if how.ChunkDelay > 0 {
		a.ChunkDelay = how.ChunkDelay
	}
	if how.Fault != "" {
		a.Fault = how.Fault
	}
	if how.Header != nil {
		a.Header = how.Header
	}
}

// noAnswer: faults with which the client gets nothing of the answer.
func (f Fault) noAnswer() bool {
	switch f.name() {
	case "", Stale, Drip, NoUsage, AfterTerminal, OpenEnd, SplitRunes, LoneSurrogate, InvalidUTF8, EmptyDeltas, Doubled, OutOfOrder, ZeroToolIndexes, NoToolIndexes, LateToolName, HugeNumber, DoubledKeys, Flapping:
		return false
	}
	return true
}

// scripted says that the request is one that the script answers.
func (r *Request) scripted() bool {
	switch r.Operation {
	case "completion", "responses", "text_completion", "transcription", "translation":
		return true
	}
	return false
}

// own is the answer that nobody scripted.
func (r *Request) own() string {
	if r.Operation == "transcription" || r.Operation == "translation" {
		return "Hello from llmtest."
	}
	if r.schema.IsObject() {
		return string(marshal(sample(r.schema, 0)))
	}
	if text, ok := r.ToolResult(); ok && len(r.Messages) > 0 && r.Messages[len(r.Messages)-1].Role == llm.RoleTool {
		return "The tool says: " + text
	}
	if text := r.LastUserText(); text != "" {
		return "You said: " + text
	}
	return "Hello! How can I help you?"
}

// id makes ids that are unique in the server: prefix and a number.
func (s *Server) id(prefix string) string {
	return prefix + fmt.Sprintf("%024d", s.count(prefix))
}

func (s *Server) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial[name]++
	return s.serial[name]
}

// takeHeader keeps the headers without credentials, and returns what came as a key.
func (r *Request) takeHeader(h http.Header) (key string) {
	r.Header = h.Clone()
	for name, values := range r.Header {
		if secretHeader(name) {
			r.HasKey = true
			if key == "" && name != "Cookie" {
				key = strings.TrimPrefix(values[0], "Bearer ")
			}
			r.Header[name] = []string{redacted}
		}
	}
	if r.Query.Has("key") {
		r.HasKey = true
		r.Query.Set("key", redacted)
	}
	return key
}

// readForm reads the fields of a multipart form: of an upload only they are of interest.
func (r *Request) readForm(contentType string) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return
	}
	form, err := multipart.NewReader(strings.NewReader(string(r.Body)), params["boundary"]).ReadForm(64 << 20)
	if err != nil {
		return
	}
	defer form.RemoveAll()
	value := func(name string) string {
		if v := form.Value[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	r.Model = value("model")
	r.Stream = value("stream") == "true"
	if p := value("prompt"); p != "" {
		r.Input = []string{p}
	}
	r.format = value("response_format")
}

// exchange is the answering of one request.
type exchange struct {
	s      *Server
	w      http.ResponseWriter
	hr     *http.Request
	r      *Request
	codec  *codec
	answer *Answer
	fault  Fault
	key    string
	id     string
}

// sleep waits; false says that the client, or the server, has gone.
func (e *exchange) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.hr.Context().Done():
		return false
	case <-e.s.ctx.Done():
		return false
	}
}

// hang waits until the client or the server has gone.
func (e *exchange) hang() {
	select {
	case <-e.hr.Context().Done():
	case <-e.s.ctx.Done():
	}
}

// fail answers with an error in the dialect's words.
func (e *exchange) fail(f failure, header http.Header) {
	f.id = e.id
	h, body := e.codec.failure(f)
	for name, v := range h {
		e.w.Header()[name] = v
	}
	for name, v := range header {
		e.w.Header()[name] = v
	}
	e.w.Header().Set("Content-Type", "application/json")
	e.w.WriteHeader(f.status)
	e.w.Write(marshal(body))
}
