package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A figure is what one call costs.
type figure struct {
	Wall   float64 // ns; in a First case the first chunk's delay
	CPU    float64 // ns of this process
	Bytes  float64
	Allocs float64
}

func (f figure) over(g figure) figure {
	return figure{ratio(f.Wall, g.Wall), ratio(f.CPU, g.CPU), ratio(f.Bytes, g.Bytes), ratio(f.Allocs, g.Allocs)}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// medianFigure takes the median of each member on its own.
func medianFigure(fs []figure) figure {
	pick := func(get func(figure) float64) float64 {
		v := make([]float64, len(fs))
		for i, f := range fs {
			v[i] = get(f)
		}
		return median(v)
	}
	return figure{
		pick(func(f figure) float64 { return f.Wall }), pick(func(f figure) float64 { return f.CPU }),
		pick(func(f figure) float64 { return f.Bytes }), pick(func(f figure) float64 { return f.Allocs }),
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// A runner is one contestant at one case.
type runner struct {
	name  string
	c     *Case
	op    Op
	floor bool
	outs  []*Output // one for each call in flight
	n     int       // calls in a batch
}

// newRunner returns nil where the contestant does not support the case.
func newRunner(ct Contestant, c *Case, url string, rt http.RoundTripper, socket bool) (*runner, error) {
	ops, err := ct.Open(Target{URL: url + "/" + c.Key, HTTP: &http.Client{Transport: rt}, Socket: socket})
	if err != nil {
		return nil, err
	}
	op := c.Op(&ops)
	if op == nil {
		return nil, nil
	}
	r := &runner{name: ct.Name, c: c, op: op, floor: ct.Name == contestants[0].Name}
	for range max(1, c.Parallel) {
		r.outs = append(r.outs, new(Output))
	}
	return r, nil
}

func (r *runner) call(ctx context.Context, out *Output) error {
	out.begin()
	if err := r.op(ctx, r.c.In, out); err != nil {
		return err
	}
	return r.c.Want.check(out, r.floor)
}

// run makes n calls, by as many workers as the case has in flight. firsts, if not nil, gets each first chunk's delay.
func (r *runner) run(ctx context.Context, n int, firsts *[]float64) error {
	if len(r.outs) == 1 {
		for range n {
			if err := r.call(ctx, r.outs[0]); err != nil {
				return err
			}
			if firsts != nil {
				*firsts = append(*firsts, float64(r.outs[0].first))
			}
		}
		return nil
	}
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, len(r.outs))
	var wg sync.WaitGroup
	for i, out := range r.outs {
		wg.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = r.call(ctx, out)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// calibrate warms up and finds how many calls fill a batch.
func (r *runner) calibrate(ctx context.Context, batch time.Duration) error {
	unit := len(r.outs)
	if err := r.run(ctx, unit, nil); err != nil {
		return err
	}
	start, n := time.Now(), 0
	for n == 0 || time.Since(start) < batch/4 {
		if err := r.run(ctx, unit, nil); err != nil {
			return err
		}
		n += unit
	}
	r.n = max(unit*min(2, unit), int(float64(n)*float64(batch)/float64(time.Since(start))))
	return nil
}

// batch measures r.n calls.
func (r *runner) batch(ctx context.Context) (figure, error) {
	var firsts *[]float64
	if r.c.First {
		firsts = new(make([]float64, 0, r.n))
	}
	runtime.GC() // nobody pays for the garbage of the one before
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	cpu, start := ownCPU(), time.Now()
	err := r.run(ctx, r.n, firsts)
	wall := time.Since(start)
	cpu = ownCPU() - cpu
	runtime.ReadMemStats(&m1)
	n := float64(r.n)
	f := figure{float64(wall) / n, float64(cpu) / n, float64(m1.TotalAlloc-m0.TotalAlloc) / n, float64(m1.Mallocs-m0.Mallocs) / n}
	if firsts != nil {
		f.Wall = median(*firsts)
	}
	return f, err
}

// A row is one case, all contestants.
type row struct {
	Case   *Case
	Socket bool
	Median map[string]figure // by contestant: the median of the rounds
	Ratio  map[string]figure // the median of the ratios to the floor's batches before and after
	Failed map[string]string // by contestant: why there is no figure
}

// measure runs one case: in each round the floor stands between any two contestants, so that a slow moment of the
// machine falls on both sides of a ratio.
func measure(ctx context.Context, c *Case, cts []Contestant, url string, rt func() http.RoundTripper, o *options) (*row, error) {
	w := &row{Case: c, Socket: url != memoryURL, Median: map[string]figure{}, Ratio: map[string]figure{}, Failed: map[string]string{}}
	var runners []*runner
	for _, ct := range cts {
		t := rt()
		if tr, ok := t.(*http.Transport); ok {
			defer tr.CloseIdleConnections()
		}
		r, err := newRunner(ct, c, url, t, w.Socket)
		if err == nil && r != nil {
			err = r.calibrate(ctx, o.batch)
		}
		switch {
		case err != nil:
			w.Failed[ct.Name] = err.Error()
			if ct.Name == contestants[0].Name {
				return nil, fmt.Errorf("%s: the floor: %w", c.Name, err)
			}
		case r != nil:
			runners = append(runners, r)
		}
	}
	floor, rest := runners[0], runners[1:]
	floors := []figure{}
	seen, ratios := map[string][]figure{}, map[string][]figure{}
	for round := range o.rounds {
		before, err := floor.batch(ctx)
		if err != nil {
			return nil, err
		}
		floors = append(floors, before)
		for i := range rest {
			r := rest[(i+round)%len(rest)]
			f, err := r.batch(ctx)
			if err != nil {
				w.Failed[r.name] = err.Error()
				continue
			}
			after, err := floor.batch(ctx)
			if err != nil {
				return nil, err
			}
			floors = append(floors, after)
			base := figure{(before.Wall + after.Wall) / 2, (before.CPU + after.CPU) / 2, (before.Bytes + after.Bytes) / 2, (before.Allocs + after.Allocs) / 2}
			seen[r.name], ratios[r.name] = append(seen[r.name], f), append(ratios[r.name], f.over(base))
			before = after
		}
	}
	w.Median[floor.name], w.Ratio[floor.name] = medianFigure(floors), figure{1, 1, 1, 1}
	for name, fs := range seen {
		if w.Failed[name] == "" {
			w.Median[name], w.Ratio[name] = medianFigure(fs), medianFigure(ratios[name])
		}
	}
	return w, ctx.Err()
}
