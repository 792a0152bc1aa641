package providertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/providertest"
	"github.com/llm-go/llm/stream"
	"github.com/stretchr/testify/require"
)

// broken are providers with one fault each, and what the kit must say of it.
var broken = map[string]struct {
	fault func(p *llm.Provider)
	dir   string
	fails string // the subtest that must fail
	says  string
}{
	"writes to the request": {
		fault: func(p *llm.Provider) {
			encode := p.Completion.Encode
			p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				req.Messages[0].Content = append(req.Messages[0].Content[:0], llm.TextPart("shouted"))
				return encode(call, req)
			}
		},
		fails: "request_unchanged/completion_text/unary", says: "the request was written to",
	},
	"writes deep into the request": {
		fault: func(p *llm.Provider) {
			encode := p.Completion.Encode
			p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				if req.Temperature != nil {
					*req.Temperature /= 2
				}
				return encode(call, req)
			}
		},
		fails: "request_unchanged/completion_text/stream", says: "at temperature: got 0.25, want 0.5",
	},
	"knows its models": {
		fault: func(p *llm.Provider) {
			body(p, func(_ *llm.Call, b map[string]any) { b["model"] = "rocket-2" })
		},
		fails: "model_as_written", says: "zz-unheard-of",
	},
	"has no Extra": {
		fault: func(p *llm.Provider) {
			encode := p.Completion.Encode
			p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				r := *req
				r.Extra = nil
				return encode(call, &r)
			}
		},
		fails: "extra", says: "at x_probe: missing",
	},
	"has Extra at the top only": {
		fault: func(p *llm.Provider) {
			p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				b, err := acmeBody(call, req)
				if err != nil {
					return nil, err
				}
				for k, v := range req.Extra {
					b[k] = v
				}
				data, err := json.Marshal(b)
				if err != nil {
					return nil, err
				}
				return call.NewRequest(http.MethodPost, "/ask?beta=1", "application/json", data)
			}
		},
		fails: "extra", says: "at options.heat: missing",
	},
	"sends another body": {
		fault: func(p *llm.Provider) { body(p, func(_ *llm.Call, b map[string]any) { delete(b, "options") }) },
		fails: "golden/completion_text/unary", says: "at options: missing",
	},
	"drops a parameter in silence": {
		fault: func(p *llm.Provider) {
			encode := p.Completion.Encode
			p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				r := *req
				r.Seed = nil
				return encode(call, &r)
			}
		},
		fails: "golden/completion_text", says: `the warning with code "dropped_param", param "seed" did not come`,
	},
	"warns of what the case does not know": {
		fault: func(p *llm.Provider) {
			body(p, func(call *llm.Call, _ map[string]any) { call.Warn(llm.Warning{Code: "changed_param", Param: "user"}) })
		},
		fails: "golden/completion_text", says: `a warning that warnings.json does not have: code "changed_param"`,
	},
	"answers something else": {
		fault: func(p *llm.Provider) {
			decode := p.Completion.Decode
			p.Completion.Decode = func(call *llm.Call, h http.Header, body []byte) (*llm.CompletionResponse, error) {
				r, err := decode(call, h, body)
				if err == nil {
					r.Usage.PromptTokens++
				}
				return r, err
			}
		},
		fails: "golden/completion_text/unary", says: "at usage.prompt_tokens: got 7, want 6",
	},
	"streams something else": {
		fault: func(p *llm.Provider) { chunks(p, func(c *llm.CompletionChunk) { c.Usage = nil }) },
		fails: "golden/completion_text/stream", says: "at usage: missing",
	},
	"sends what it should refuse": {
		fault: func(p *llm.Provider) {
			encode := p.Completion.Encode
			p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				r := *req
				r.Messages = []llm.Message{llm.User(req.Messages[0].Content.Text())}
				return encode(call, &r)
			}
		},
		fails: "golden/completion_audio", says: "Encode must fail before anything is sent",
	},
	"believes half an answer": {
		fault: func(p *llm.Provider) {
			p.Completion.Decode = func(_ *llm.Call, _ http.Header, body []byte) (*llm.CompletionResponse, error) {
				var a acmeAnswer
				d := json.NewDecoder(io.MultiReader(bytes.NewReader(body), strings.NewReader(`"}`)))
				if err := d.Decode(&a); err != nil {
					return nil, llm.Malformed("no", err)
				}
				return acmeDecode(nil, nil, must(json.Marshal(acmeAnswer{ID: a.ID, Model: a.Model, Text: a.Text, Why: "done", Tokens: []int{6, 5}})))
			}
		},
		fails: "unary_cut", says: "is taken for a whole one",
	},
	"takes the end of the body for the end of the answer": {
		fault: func(p *llm.Provider) {
			next(p, func(next llm.Next[llm.CompletionChunk]) (*llm.CompletionChunk, error) {
				c, err := next()
				if e, ok := err.(*llm.Error); ok && e.Kind == llm.ErrTruncated {
					err = io.EOF
				}
				return c, err
			})
		},
		fails: "stream_cut", says: "is taken for a whole one",
	},
	"calls a cut malformed": {
		fault: func(p *llm.Provider) {
			next(p, func(next llm.Next[llm.CompletionChunk]) (*llm.CompletionChunk, error) {
				c, err := next()
				if e, ok := err.(*llm.Error); ok && e.Kind == llm.ErrTruncated {
					err = llm.Malformed("bad", nil)
				}
				return c, err
			})
		},
		fails: "stream_cut", says: "want ErrTruncated",
	},
	"takes reads for events": {
		fault: func(p *llm.Provider) {
			p.Completion.Stream = func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
				var whole []byte
				buf := make([]byte, 64<<10)
				n, _ := body.Read(buf)
				for whole = buf[:n]; ; whole = append(whole, buf[:n]...) {
					if n, _ = body.Read(buf[len(whole):]); n == 0 {
						break
					}
					whole = append(whole, '\n') // as if each read were a line
				}
				return acmeStream(call, bytes.NewReader(whole))
			}
		},
		fails: "rechunk", says: "read",
	},
	"waits for the end of the body": {
		fault: func(p *llm.Provider) {
			p.Completion.Stream = func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
				var held *llm.CompletionChunk
				next := acmeStream(call, body)
				events := stream.NewSSE(body, 0)
				return func() (*llm.CompletionChunk, error) {
					c, err := next()
					if err == io.EOF && held == nil {
						held = c
						for err == io.EOF {
							if _, e := events.Next(); e != nil {
								break
							}
						}
					}
					return c, err
				}
			}
		},
		fails: "open_end", says: "the connection stays open",
	},
	"leaves a body open": {
		fault: func(p *llm.Provider) {
			op := p.Completion
			op.Do = func(ctx context.Context, call *llm.Call, req *llm.CompletionRequest, send llm.Send) (*llm.CompletionResponse, error) {
				r, err := op.Encode(call, req)
				if err != nil {
					return nil, err
				}
				resp, err := send(ctx, r)
				if err != nil {
					return nil, err
				}
				data, err := io.ReadAll(resp.Body)
				if err != nil {
					return nil, err
				}
				return acmeDecode(call, resp.Header, data)
			}
		},
		fails: "golden/completion_text/unary", says: "the body of answer 1 was not closed",
	},
	"calls everything unknown": {
		fault: func(p *llm.Provider) {
			p.Error = func(status int, _ http.Header, _ []byte) *llm.Error {
				return &llm.Error{Kind: llm.ErrConnection, Status: status}
			}
		},
		fails: "status", says: `status 401 with no body: the kind is "connection"; want one of ["authentication"]`,
	},
	"retries what cannot work": {
		fault: func(p *llm.Provider) {
			p.Error = func(status int, h http.Header, body []byte) *llm.Error {
				e := acmeError(status, h, body)
				e.Temporary = true
				return e
			}
		},
		fails: "status", says: "status 400 with HTML: Temporary is true",
	},
	"has the key in the URL": {
		fault: func(p *llm.Provider) {
			p.Auth = func(ctx context.Context, r *http.Request, call *llm.Call) error {
				r.Header.Set("Authorization", "Bearer "+call.Key().Reveal())
				u := *r.URL
				u.RawQuery += "&key=" + call.Key().Reveal()
				r.URL = &u
				return nil
			}
		},
		fails: "golden/completion_text", says: "the key is in the URL",
	},
	"shows a secret": {
		fault: func(p *llm.Provider) {
			p.Error = func(status int, h http.Header, body []byte) *llm.Error {
				e := acmeError(status, h, body)
				e.Err = &leak{"canary" + providertest.Key[len("canary"):]}
				e.Message = ""
				return e
			}
		},
		fails: "status", says: "the key is in the error",
	},
	"panics": {
		fault: func(p *llm.Provider) {
			p.Completion.Decode = func(call *llm.Call, h http.Header, body []byte) (*llm.CompletionResponse, error) {
				var a struct{ Tokens []int }
				if json.Unmarshal(body, &a) == nil {
					_ = a.Tokens[1]
				}
				return acmeDecode(call, h, body)
			}
		},
		fails: "hostile", says: "panic: runtime error: index out of range",
	},
	"leaves a goroutine": {
		fault: func(p *llm.Provider) {
			p.Completion.Stream = func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
				go func() { <-make(chan int) }()
				return acmeStream(call, body)
			}
		},
		fails: "", says: "deadlock",
	},
	"has no case with a stream": {
		fault: func(*llm.Provider) {}, dir: "testdata/nostream",
		fails: "coverage", says: `provider "acme" streams completion, but testdata has no case`,
	},
	"offers what no case shows": {
		fault: func(p *llm.Provider) {
			p.Embedding = &llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None]{
				Decode: func(*llm.Call, http.Header, []byte) (*llm.EmbeddingResponse, error) { return nil, nil },
			}
		},
		fails: "coverage", says: `provider "acme" offers embedding, but testdata has no case`,
	},
}

type leak struct{ s string }

func (l *leak) Error() string { return l.s }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// body changes what is sent.
func body(p *llm.Provider, change func(*llm.Call, map[string]any)) {
	p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
		b, err := acmeBody(call, req)
		if err != nil {
			return nil, err
		}
		change(call, b)
		data, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		return call.NewJSONRequest("/ask?beta=1", data, req.Extra)
	}
}

// chunks changes what is streamed.
func chunks(p *llm.Provider, change func(*llm.CompletionChunk)) {
	next(p, func(next llm.Next[llm.CompletionChunk]) (*llm.CompletionChunk, error) {
		c, err := next()
		if err == nil {
			change(c)
		}
		return c, err
	})
}

func next(p *llm.Provider, change func(llm.Next[llm.CompletionChunk]) (*llm.CompletionChunk, error)) {
	p.Completion.Stream = func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
		n := acmeStream(call, body)
		return func() (*llm.CompletionChunk, error) { return change(n) }
	}
}

const brokenEnv = "PROVIDERTEST_BROKEN"

// TestBroken runs in a process of its own: it is meant to fail.
func TestBroken(t *testing.T) {
	b, ok := broken[os.Getenv(brokenEnv)]
	if !ok {
		t.Skip("run by TestFaultsAreFound")
	}
	p := acme()
	b.fault(p)
	dir := b.dir
	if dir == "" {
		dir = "testdata/acme"
	}
	providertest.Run(t, p, dir)
}

// TestFaultsAreFound holds the kit itself to its word: for each rule there is a provider that breaks it.
func TestFaultsAreFound(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := rerun(t, "TestBroken", brokenEnv+"="+name)
			require.Error(t, err, "the kit found nothing wrong:\n%s", out)
			require.Contains(t, out, b.says)
			if b.fails != "" {
				require.Contains(t, out, "--- FAIL: TestBroken/"+b.fails)
			}
		})
	}
}

func TestEveryRuleHasAFault(t *testing.T) {
	for _, rule := range providertest.Rules() {
		require.NotEmpty(t, rule.Doc)
		name := rule.Name
		switch name {
		case "auth", "key", "released":
			continue // the engine's own work; a provider has no way to break them that the other rules do not see
		}
		found := false
		for _, b := range broken {
			found = found || b.fails == name || strings.HasPrefix(b.fails, name+"/")
		}
		require.True(t, found, "no provider breaks the rule %s", name)
	}
}

// rerun runs one test of this binary again, in a process of its own.
func rerun(t *testing.T, test string, env ...string) (string, error) {
	t.Helper()
	args := []string{"-test.run=^" + test + "$", "-test.short"}
	for i, e := range env {
		if strings.HasPrefix(e, "-") {
			args, env = append(args, e), append(env[:i:i], env[i+1:]...)
			break
		}
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

const updateEnv = "PROVIDERTEST_UPDATE_DIR"

// TestUpdateDir runs in a process of its own, with -update.
func TestUpdateDir(t *testing.T) {
	dir := os.Getenv(updateEnv)
	if dir == "" {
		t.Skip("run by TestUpdate")
	}
	providertest.Run(t, acme(), dir)
}

func TestUpdateRewritesAnswersOnly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"completion_text.txtar", "completion_refused.txtar", "completion_error_in_stream.txtar"} {
		data, err := os.ReadFile(filepath.Join("testdata/acme", name))
		require.NoError(t, err)
		// The answers are made wrong; a request is too, and must stay so.
		text := string(data)
		text = strings.Replace(text, `"prompt_tokens": 6`, `"prompt_tokens": 999`, 1)
		text = strings.Replace(text, `"kind": "rate_limit"`, `"kind": "server"`, 1)
		text = strings.Replace(text, `"content": "In the "}`, `"content": "Up the "}`, 1)
		text = strings.ReplaceAll(text, `POST /v1/ask`, `POST /v2/ask`)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	out, err := rerun(t, "TestUpdateDir", updateEnv+"="+dir, "-update")
	require.Error(t, err, "the wrong request is still wrong")
	require.Contains(t, out, "target: got /v1/ask?beta=1, want /v2/ask?beta=1")

	text := read(t, dir, "completion_text.txtar")
	require.NotContains(t, text, "999")
	require.Contains(t, text, `"prompt_tokens": 6`)
	require.Contains(t, text, "POST /v2/ask")
	require.Contains(t, text, "A plain answer, whole and streamed.")
	require.Contains(t, read(t, dir, "completion_refused.txtar"), `"kind": "rate_limit"`)
	require.Contains(t, read(t, dir, "completion_error_in_stream.txtar"), `"content": "In the "`)
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(data)
}
