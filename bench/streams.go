package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// openStreams is what one contestant's open streams cost, over what its process used before the first.
type openStreams struct {
	Client     string
	N          int
	RSS        float64 // bytes a stream; 0: not known on this system
	HeapStack  float64 // bytes a stream: live heap and stacks
	Goroutines float64 // a stream
	Took       time.Duration
	Skipped    string // why there are no figures
}

// measureStreams runs the contestant in a fresh process, against a fresh upstream.
func measureStreams(ctx context.Context, client string, n int) openStreams {
	res := openStreams{Client: client, N: n}
	fail := func(err error) openStreams { res.Skipped = err.Error(); return res }
	if limit := raiseFileLimit(); limit < uint64(n)+200 {
		return fail(fmt.Errorf("only %d files may be open here", limit))
	}
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	url, stop, err := startServer(ctx)
	if err != nil {
		return fail(err)
	}
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	cmd := exec.CommandContext(ctx, self, "streams", "-client", client, "-url", url, "-n", strconv.Itoa(n))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		return fail(fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String())))
	}
	if err := json.Unmarshal(b, &res); err != nil {
		return fail(err)
	}
	return res
}

// streamsMain is that process: it opens n streams, reads each up to its first content, and holds them all.
func streamsMain(args []string) error {
	fs := flag.NewFlagSet("streams", flag.ContinueOnError)
	client, url, n := fs.String("client", "", "contestant"), fs.String("url", "", "upstream"), fs.Int("n", 0, "streams")
	if err := fs.Parse(args); err != nil {
		return err
	}
	raiseFileLimit()
	c := holdCase()
	var r *runner
	for _, ct := range contestants {
		if ct.Name == *client {
			var err error
			if r, err = newRunner(ct, c, *url, newTransport(), true); err != nil {
				return err
			}
		}
	}
	if r == nil {
		return fmt.Errorf("%s does not stream", *client)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	before := readUse()
	start := time.Now()
	var (
		wg     sync.WaitGroup
		ended  atomic.Int64
		why    atomic.Pointer[error]
		gate   = make(chan struct{}, 64) // streams on their way to the first chunk
		opened = make(chan struct{}, *n)
	)
	for range *n {
		select {
		case gate <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wg.Go(func() {
			out := new(Output)
			got := false
			out.onFirst = func() { got = true; <-gate; opened <- struct{}{} }
			out.begin()
			err := r.op(ctx, c.In, out)
			if !got {
				<-gate
			}
			if ctx.Err() == nil {
				if err == nil {
					err = errors.New("the stream ended")
				}
				ended.Add(1)
				why.CompareAndSwap(nil, &err)
				cancel()
			}
		})
	}
	for range *n {
		select {
		case <-opened:
		case <-ctx.Done():
			if p := why.Load(); p != nil {
				return *p
			}
			return context.Cause(ctx)
		}
	}
	time.Sleep(300 * time.Millisecond) // let each reach its next read
	took := time.Since(start)
	after := readUse()
	if ended.Load() > 0 {
		return fmt.Errorf("%d streams ended early: %w", ended.Load(), *why.Load())
	}
	per := func(a, b float64) float64 { return (a - b) / float64(*n) }
	res := openStreams{Client: *client, N: *n, HeapStack: per(after.heapStack, before.heapStack), Goroutines: per(after.goroutines, before.goroutines), Took: took}
	if before.rss > 0 {
		res.RSS = per(after.rss, before.rss)
	}
	cancel()
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(res)
}

type use struct{ rss, heapStack, goroutines float64 }

func readUse() use {
	runtime.GC()
	debug.FreeOSMemory()
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	u := use{goroutines: float64(runtime.NumGoroutine())}
	for _, s := range samples {
		u.heapStack += float64(s.Value.Uint64())
	}
	if b, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(v)[0], 64)
				u.rss = kb * 1024
			}
		}
	}
	return u
}
