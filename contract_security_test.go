package llm_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// captureLog replaces slog's default logger for the test and returns what it wrote.
func captureLog(t *testing.T) func() string {
	var mu sync.Mutex
	var b bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug - 8})))
	t.Cleanup(func() { slog.SetDefault(old) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Keys and prompts are looked for in everything that is printed or sent, whatever goes wrong.
func TestCanaries(t *testing.T) {
	const key, prompt = "sk-canary-4f1d8e7a90b2", "the canary sings at a quarter past seven"
	var hits atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		fmt.Fprint(w, oneReply)
	}))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(r.URL.String(), key) {
			t.Errorf("the key is in the URL")
		}
		echo := fmt.Sprintf("bad request with %s and %s: %s", r.Header.Get("Authorization"), key, prompt)
		switch mode := r.Header.Get("X-Mode"); {
		case strings.HasPrefix(mode, "status "):
			status, _ := strconv.Atoi(strings.TrimPrefix(mode, "status "))
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"message":%q,"type":%q,"code":%q,"param":%q}}`, echo, echo, key, prompt)
		case mode == "raw":
			w.WriteHeader(500)
			w.Write(body)
			io.WriteString(w, echo)
		case mode == "redirect":
			http.Redirect(w, r, other.URL+"/steal/"+"?key="+key, http.StatusTemporaryRedirect)
		case mode == "html":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>"+echo)
		case mode == "malformed":
			io.WriteString(w, `{"id":"`+echo)
		case mode == "stream":
			io.WriteString(w, chunk("Hel")+"data: {\"id\":\""+echo+"\n\n")
		case mode == "request id":
			w.Header().Set("X-Request-Id", "id")
			w.WriteHeader(429)
			io.WriteString(w, echo)
		case mode == "hangup":
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprint(w, oneReply)
		}
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(srv.Close)
	logged := captureLog(t)
	var printed strings.Builder
	show := func(what string, values ...any) {
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				fmt.Fprintf(&printed, what+" "+verb+": "+verb+"\n", "…", v)
			}
			slog.Info("seen", "v", v)
			slog.Error("seen "+what, slog.Any("v", v))
		}
	}
	callback := llm.Callback{
		OnAttempt: func(_ context.Context, _ *llm.Call, a llm.Attempt) { show("attempt", a, &a) },
		OnSuccess: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { show("outcome", o, *o, o.Meta, *o.Meta) },
		OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { show("outcome", o, *o, o.Meta, o.Err) },
	}
	panicking := llm.Callback{OnStart: func(context.Context, *llm.Call) { panic(prompt + key) }}
	client := llm.New(llm.WithProvider(testProvider()), llm.WithBaseURL(srv.URL), llm.WithAPIKey(key),
		llm.WithMaxAttempts(1), llm.WithHTTPClient(&http.Client{Transport: &http.Transport{}}), llm.WithCallback(callback), llm.WithCallback(panicking))
	show("secret", llm.NewSecret(key), struct{ S llm.Secret }{llm.NewSecret(key)}, []llm.Secret{llm.NewSecret(key)},
		map[string]llm.Secret{"k": llm.NewSecret(key)}, new(llm.NewSecret(key)))

	for _, mode := range []string{"ok", "raw", "redirect", "html", "malformed", "stream", "request id", "hangup",
		"status 400", "status 401", "status 403", "status 404", "status 429", "status 500", "status 529", "status 999"} {
		opts := []llm.Option{llm.WithHeader("X-Mode", mode)}
		req := ask(prompt)
		resp, err := client.Completion(t.Context(), req, opts...)
		if err == nil {
			show(mode, resp.Meta)
		} else {
			show(mode, err, fmt.Errorf("wrapped: %w", err))
			if e := asError(t, err); strings.Contains(string(e.Body), key) {
				t.Errorf("%s: the key is in the error's body", mode)
			}
		}
		if s, err := client.CompletionStream(t.Context(), req, opts...); err != nil {
			show(mode, err)
		} else if _, err := llm.Collect(s); err != nil {
			show(mode, err)
		}
	}
	for name, opts := range map[string][]llm.Option{
		"refused":        {llm.WithBaseURL("http://127.0.0.1:1")},
		"user info":      {llm.WithBaseURL("http://user:" + key + "@127.0.0.1:1")},
		"broken URL":     {llm.WithBaseURL("http://[" + key)},
		"no such scheme": {llm.WithBaseURL(key)},
		"a key's header": {llm.WithHeader("Authorization", "Bearer "+key)},
		"control bytes":  {llm.WithAPIKey(key + "\r\nX-Evil: 1")},
		"a bad header":   {llm.WithHeader("X-Y", key+"\n")},
		"public only":    {llm.WithPublicOnly(), llm.WithHTTPClient(nil)},
	} {
		_, err := client.Completion(t.Context(), ask(prompt), opts...)
		require.Error(t, err, name)
		show(name, err)
	}
	require.Zero(t, hits.Load(), "another host was asked")
	for name, text := range map[string]string{"log": logged(), "print": printed.String()} {
		for _, canary := range []string{key, "canary-4f1d8e7a90b2", prompt} {
			if i := strings.Index(text, canary); i >= 0 {
				line := text[strings.LastIndex(text[:i], "\n")+1:]
				line, _, _ = strings.Cut(line, "\n")
				t.Errorf("%q is in the %s: %.300s", canary, name, line)
			}
		}
	}
}

// A key goes to its own host: not where the caller points with a key from the environment, and not where a provider's
// request leads.
func TestKeysStayWithTheirHost(t *testing.T) {
	var got atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Clone())
		fmt.Fprint(w, oneReply)
	}))
	t.Cleanup(srv.Close)
	sent := func() string { return fmt.Sprint(got.Load()) }
	t.Setenv("LLM_TEST_KEY", testKey) // after import: it is read at the call
	client := llm.New(llm.WithProvider(testProvider()), llm.WithHTTPClient(&http.Client{Transport: &http.Transport{}}), llm.WithMaxAttempts(1))
	_, err := client.Completion(t.Context(), ask("Hi"), llm.WithBaseURL(srv.URL))
	require.NoError(t, err)
	require.NotContains(t, sent(), testKey, "a key from the environment is for the provider's own host")
	_, err = client.Completion(t.Context(), ask("Hi"), llm.WithBaseURL(srv.URL), llm.WithAPIKey("given-beside-it"))
	require.NoError(t, err)
	require.Contains(t, sent(), "given-beside-it")

	// The provider's own address, reached through a transport that records.
	var auth []string
	record := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		auth = append(auth, r.URL.Host+" "+r.Header.Get("Authorization"))
		return answer(200, "application/json", strings.NewReader(oneReply)), nil
	})}
	_, err = client.Completion(t.Context(), ask("Hi"), llm.WithHTTPClient(record))
	require.NoError(t, err)
	require.Equal(t, []string{"test.invalid Bearer " + testKey}, auth)

	// A provider's function that asks other hosts.
	p := testProvider()
	p.Hosts = []string{"*.files.invalid"}
	p.Completion = &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Do: func(ctx context.Context, call *llm.Call, _ *llm.CompletionRequest, send llm.Send) (*llm.CompletionResponse, error) {
			for _, u := range []string{call.URL("/a"), "https://a.files.invalid/", "http://a.files.invalid/", "https://files.invalid.evil.invalid/",
				"https://evilfiles.invalid/", "https://test.invalid:8443/", "https://test.invalid.evil.invalid/"} {
				r, err := llm.NewRequest("GET", u, "", nil)
				require.NoError(t, err)
				resp, err := send(ctx, r)
				require.NoError(t, err)
				resp.Body.Close()
			}
			return &llm.CompletionResponse{}, nil
		},
	}
	auth = nil
	_, err = client.Completion(t.Context(), ask("Hi"), llm.WithProvider(p), llm.WithHTTPClient(record), llm.WithMaxAttempts(10))
	require.NoError(t, err)
	require.Equal(t, []string{"test.invalid Bearer " + testKey, "a.files.invalid Bearer " + testKey, "a.files.invalid ", "files.invalid.evil.invalid ",
		"evilfiles.invalid ", "test.invalid:8443 ", "test.invalid.evil.invalid "}, auth)
}

func TestKeysAreReadAtTheCall(t *testing.T) {
	var auth string
	record := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		auth = r.Header.Get("Authorization")
		return answer(200, "application/json", strings.NewReader(oneReply)), nil
	})}
	client := llm.New(llm.WithProvider(testProvider()), llm.WithHTTPClient(record))
	for _, key := range []string{"first-key", "second-key"} {
		t.Setenv("LLM_TEST_KEY", key)
		_, err := client.Completion(t.Context(), ask("Hi"))
		require.NoError(t, err)
		require.Equal(t, "Bearer "+key, auth)
	}
	_, err := client.Completion(t.Context(), ask("Hi"), llm.WithoutEnv())
	require.ErrorIs(t, err, llm.ErrAuthentication)
}

// With WithPublicOnly no address that is not public is dialled, however it is written.
func TestPublicOnly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	var dialled atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			dialled.Add(1)
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dns := rebinding(t, "10.0.0.1", "127.0.0.1", "169.254.169.254", "127.0.0.1")
	old := net.DefaultResolver
	net.DefaultResolver = dns
	t.Cleanup(func() { net.DefaultResolver = old })
	client := llm.New(llm.WithProvider(testProvider()), llm.WithAPIKey(testKey), llm.WithoutEnv(), llm.WithPublicOnly(), llm.WithMaxAttempts(1))
	for _, host := range []string{"127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "10.1.2.3", "172.16.0.1", "192.168.1.1",
		"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[ff02::1]",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:1::1]", "rebind.example"} {
		_, err := client.Completion(t.Context(), ask("Hi"), llm.WithBaseURL("https://"+host+":"+port))
		require.ErrorIs(t, err, llm.ErrInvalidRequest, host)
		require.ErrorContains(t, err, "not public", host)
	}
	for range 3 { // the name has another address each time
		_, err := client.Completion(t.Context(), ask("Hi"), llm.WithBaseURL("https://rebind.example:"+port))
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
	}
	_, err = client.Completion(t.Context(), ask("Hi"), llm.WithBaseURL("http://rebind.example:"+port))
	require.ErrorContains(t, err, "https")
	_, err = client.Completion(t.Context(), ask("Hi"), llm.WithHTTPClient(&http.Client{}), llm.WithBaseURL("https://rebind.example:"+port))
	require.ErrorContains(t, err, "exclude each other")
	require.Zero(t, dialled.Load())
}

// rebinding is a resolver over a name server of this process that gives another address to each question.
func rebinding(t *testing.T, addresses ...string) *net.Resolver {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := buf[:n]
			end := 12
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5 // the zero, type and class
			reply := append([]byte(nil), q[:end]...)
			reply[2], reply[3] = 0x84, 0 // an authoritative answer
			binary.BigEndian.PutUint16(reply[6:], 0)
			binary.BigEndian.PutUint16(reply[10:], 0)
			if binary.BigEndian.Uint16(q[end-4:]) == 1 { // A
				binary.BigEndian.PutUint16(reply[6:], 1)
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				reply = append(reply, net.ParseIP(addresses[asked%len(addresses)]).To4()...)
				asked++
			}
			pc.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// Importing the package does next to nothing: the runtime itself tells what it cost.
func TestImportIsQuiet(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	line := regexp.MustCompile(`init github\.com/llm-go/llm @.* ms, ([0-9.]+) ms clock`)
	best := 1e9
	for range 5 {
		cmd := exec.Command(exe, "-test.run=^$")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		m := line.FindSubmatch(out)
		if m == nil {
			best = 0 // it has no init at all
			break
		}
		ms, err := strconv.ParseFloat(string(m[1]), 64)
		require.NoError(t, err)
		best = min(best, ms)
	}
	require.Less(t, best, 1.0)
}

// Logs in JSON take values apart. What they find of an error is its line, and never the body, which repeats the prompt.
func TestErrorsInJSON(t *testing.T) {
	const prompt = "the canary sings at a quarter past seven"
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	c := over(transport(func(*http.Request) (*http.Response, error) {
		return answer(400, "application/json", strings.NewReader(`{"error":{"message":"I cannot read: `+prompt+`"}}`)), nil
	}), llm.WithCallback(llm.Callback{
		OnAttempt: func(_ context.Context, _ *llm.Call, a llm.Attempt) { logger.Info("attempt", "attempt", a) },
		OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { logger.Info("outcome", "outcome", o) },
	}))
	_, err := c.Completion(t.Context(), ask(prompt))
	logger.Info("failed", "error", err, "wrapped", map[string]any{"cause": err})
	require.Equal(t, 5, strings.Count(log.String(), `invalid request (HTTP 400): I cannot read: […]`), log.String())
	require.NotContains(t, log.String(), "!ERROR")
	require.NotContains(t, log.String(), "canary")
	require.NotContains(t, log.String(), base64.StdEncoding.EncodeToString([]byte(prompt))[8:40])
	require.NotContains(t, log.String(), `"Body"`)
}
