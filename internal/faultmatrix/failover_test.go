//go:build linux

package faultmatrix

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// TestFailover runs the cells that fail before any content over a router with a second deployment, which is good. It is asked,
// once and at once, where the table says that another route or key may do better, and nowhere else.
func TestFailover(t *testing.T) {
	before := count()
	asked, spared := 0, 0
	for _, r := range rows {
		t.Run(r.number, func(t *testing.T) {
			var cells []*cell
			var wg sync.WaitGroup
			atOnce := make(chan struct{}, 12)
			for _, f := range r.faults {
				f.prepare()
				for _, w := range f.ways() {
					for _, d := range dialects {
						want := f.expect(d, w)
						if want.none || want.kind == "" || want.partial {
							continue
						}
						if want.next() == "no" {
							spared++
						} else {
							asked++
						}
						c := &cell{recorder: &recorder{}, fault: f, dialect: d, way: w}
						cells = append(cells, c)
						wg.Go(func() {
							atOnce <- struct{}{}
							defer func() { <-atOnce }()
							defer c.cleanup()
							c.failOver(want)
						})
					}
				}
			}
			wg.Wait()
			for _, c := range cells {
				for _, text := range c.errors {
					t.Errorf("%s, %s, %s: %s", c.fault.name, c.dialect.name, c.way, text)
				}
			}
		})
	}
	if left := settle(func() string { return count().over(before) }); left != "" {
		t.Errorf("there are more %s\n%s", left, stacks())
	}
	t.Logf("%d cells were answered by the second deployment, %d did not ask it", asked, spared)
}

// failOver makes one call over a deployment with the fault and one without.
func (c *cell) failOver(want want) {
	start := llmtest.Start
	if c.fault.tls {
		start = llmtest.StartTLS
	}
	bad, err := start()
	require.NoError(c, err)
	defer bad.Close()
	good, err := llmtest.Start()
	require.NoError(c, err)
	defer good.Close()
	good.Reply(llmtest.Text(words))

	c.srv = bad
	bad.Reply(c.fault.answer())
	bad.FaultAlways(c.fault.at(c.way))
	rt, err := router.New(router.Config{Deployments: []router.Deployment{
		{ID: "bad", Group: "chat", Model: c.dialect.model, Options: c.options()},
		{ID: "good", Group: "chat", Model: c.dialect.model, Options: good.Options(c.dialect.provider()), Order: 1},
	}})
	require.NoError(c, err)
	seen := &observer{}
	opts := []llm.Option{llm.WithMiddleware(rt.Middleware), llm.WithCallback(seen.callback()), llm.WithTimeout(c.fault.timeout), llm.WithMaxAttempts(3)}
	if c.fault.clocks != nil { // the total one is the call's, and no deployment's
		opts = append(opts, c.fault.clocks(c.way)...)
	}
	client := llm.New(opts...)
	req := c.request()
	req.Model = "chat"
	var resp *llm.CompletionResponse
	if c.way.stream {
		var s *llm.Stream[llm.CompletionChunk]
		if s, err = client.CompletionStream(context.Background(), req); err == nil {
			resp, err = llm.Collect(s)
		}
	} else {
		resp, err = client.Completion(context.Background(), req)
	}
	require.Equal(c, 1, seen.successes+seen.failures)
	require.Empty(c, seen.leak)
	if want.next() == "no" {
		require.ErrorIs(c, err, want.kind)
		require.Empty(c, good.Requests(), "nobody else is asked")
		c.quiet(err)
		return
	}
	require.NoError(c, err)
	c.isAnswer(resp)
	require.Len(c, good.Requests(), 1)
	attempts := resp.Meta.Attempts
	require.Len(c, attempts, 2, "%v", attempts)
	require.ErrorIs(c, attempts[0].Err, want.kind)
	require.Equal(c, "bad good", fmt.Sprint(attempts[0].Route.Deployment, " ", attempts[1].Route.Deployment))
	require.Zero(c, attempts[1].Wait, "at once")
}
