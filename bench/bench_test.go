package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "streams") {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Every contestant does every case it offers, without sockets and over TCP, and sends what it was given.
func TestContestants(t *testing.T) {
	url, stop, err := startServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, c := range cases() {
		for _, ct := range contestants {
			t.Run(c.Name+"/"+ct.Name, func(t *testing.T) {
				seen := 0
				m := &memory{onRequest: func(r *http.Request, body []byte) {
					seen++
					checkRequest(t, c, body)
				}}
				tr := newTransport()
				defer tr.CloseIdleConnections()
				for _, at := range []struct {
					url    string
					rt     http.RoundTripper
					socket bool
				}{{memoryURL, m, false}, {url, tr, true}} {
					r, err := newRunner(ct, c, at.url, at.rt, at.socket)
					if err != nil {
						t.Fatal(err)
					}
					if r == nil {
						continue
					}
					if err := r.run(t.Context(), 2*len(r.outs), nil); err != nil {
						t.Errorf("%s: %v", at.url, err)
					}
					if !at.socket && seen == 0 {
						t.Error("it did not use the transport it was given")
					}
				}
			})
		}
	}
}

// checkRequest sees that all that was to be said is in the request, in whatever shape.
func checkRequest(t *testing.T, c *Case, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("the request is no JSON: %v", err)
		return
	}
	have := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			have[v] = true
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	want := append([]string{}, c.In.Texts...)
	for _, turn := range c.In.Turns {
		want = append(want, turn.Text)
	}
	for _, f := range c.In.Tools {
		want = append(want, f.Name, f.Description)
	}
	for _, s := range want {
		if !have[s] {
			t.Errorf("the request lacks %.60q", s)
		}
	}
	if c.Chunks > 0 && strings.HasPrefix(c.Name, "stream") && !strings.Contains(string(body), `"include_usage":true`) {
		t.Error("the request does not ask for usage")
	}
}

func TestOpenStreams(t *testing.T) {
	for _, ct := range contestants {
		s := measureStreams(t.Context(), ct.Name, 50)
		if s.Skipped != "" || s.Goroutines < 1 {
			t.Errorf("%s", s.line())
		}
	}
}

func BenchmarkTCP(b *testing.B) {
	url, stop, err := startServer(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	benchmarkAll(b, url, func() http.RoundTripper { return newTransport() })
}

func BenchmarkMemory(b *testing.B) {
	benchmarkAll(b, memoryURL, func() http.RoundTripper { return &memory{} })
}

func benchmarkAll(b *testing.B, url string, rt func() http.RoundTripper) {
	for _, c := range cases() {
		if url == memoryURL && (c.First || c.Parallel > 0) {
			continue
		}
		b.Run(c.Name, func(b *testing.B) {
			floor, err := newRunner(contestants[0], c, url, rt(), url != memoryURL)
			if err != nil {
				b.Fatal(err)
			}
			for _, ct := range contestants {
				r, err := newRunner(ct, c, url, rt(), url != memoryURL)
				if err != nil {
					b.Fatal(err)
				}
				if r != nil {
					b.Run(ct.Name, func(b *testing.B) { benchmark(b, r, floor) })
				}
			}
		})
	}
}

// benchmark runs b.N calls in up to eight parts, with as many of the floor's, untimed, between them.
func benchmark(b *testing.B, r, floor *runner) {
	b.ReportAllocs()
	ctx := context.Background()
	var ratios, firsts []float64
	parts := min(8, b.N)
	b.ResetTimer()
	for i := range parts {
		n := b.N*(i+1)/parts - b.N*i/parts
		one := func(r *runner) float64 {
			var fs []float64
			start := time.Now()
			var into *[]float64
			if r.c.First {
				into = &fs
			}
			if err := r.run(ctx, n, into); err != nil {
				b.Fatal(err)
			}
			if r.c.First {
				return median(fs)
			}
			return float64(time.Since(start)) / float64(n)
		}
		own := one(r)
		b.StopTimer()
		ratios = append(ratios, own/one(floor))
		if r.c.First {
			firsts = append(firsts, own)
		}
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(median(ratios), "x-floor")
	if r.c.First {
		b.ReportMetric(median(firsts), "first-ns")
	}
}
