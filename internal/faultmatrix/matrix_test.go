//go:build linux

package faultmatrix

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// line is a line of the table: a fault in one way, with a cell for each dialect.
type line struct {
	row   row
	fault *fault
	way   way
	cells []*cell
}

// TestFaultMatrix runs each cell of the table, a fault at a time: after it nothing may be left of its cells.
func TestFaultMatrix(t *testing.T) {
	var lines []*line
	for _, r := range rows {
		t.Run(r.number, func(t *testing.T) {
			for _, f := range r.faults {
				lines = append(lines, r.run(t, f)...)
			}
		})
	}
	_ = lines
	require.Empty(t, log.String())
	require.NotZero(t, log.lines, "nothing was logged, so nothing was looked at")
}

// run runs the cells of one fault beside each other.
func (r row) run(t *testing.T, f *fault) []*line {
	if f.attempts == 0 {
		f.attempts = 3
	}
	before := count()
	peak := watchHeap()
	var lines []*line
	var wg sync.WaitGroup
	atOnce := make(chan struct{}, 12)
	if f.heavy {
		atOnce = make(chan struct{}, 2)
	}
	start := time.Now()
	for _, w := range f.ways() {
		l := &line{row: r, fault: f, way: w}
		lines = append(lines, l)
		for _, d := range dialects {
			c := &cell{recorder: &recorder{}, fault: f, dialect: d, way: w}
			l.cells = append(l.cells, c)
			if f.expect(d, w).none {
				c.text = "—"
				continue
			}
			wg.Go(func() {
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				c.run()
			})
		}
	}
	wg.Wait()
	took := time.Since(start)
	grown := peak()
	if left := settle(func() string { return count().over(before) }); left != "" {
		t.Errorf("%s: after its cells there are more %s", f.name, left)
	}
	if f.heavy {
		require.Less(t, grown, int64(96<<20), "%s: growth of the heap", f.name)
	}
	for _, l := range lines {
		for _, c := range l.cells {
			for _, text := range c.errors {
				t.Errorf("%s, %s, %s: %s", f.name, c.dialect.name, c.way, text)
			}
		}
	}
	t.Logf("%s: %s, heap +%d MB", f.name, took.Round(time.Millisecond), grown>>20)
	for _, l := range lines {
		var texts []string
		for _, c := range l.cells {
			texts = append(texts, c.text)
		}
		t.Logf("    %s: %s", l.way, strings.Join(texts, " | "))
	}
	return lines
}

// counts are what must come back to what it was.
type counts struct{ goroutines, descriptors int }

func count() counts {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return counts{runtime.NumGoroutine(), -1}
	}
	return counts{runtime.NumGoroutine(), len(list)}
}

func (c counts) over(before counts) string {
	if c.goroutines <= before.goroutines && c.descriptors <= before.descriptors {
		return ""
	}
	text := fmt.Sprintf("goroutines (%d before, %d now) or descriptors (%d, %d)", before.goroutines, c.goroutines, before.descriptors, c.descriptors)
	if c.goroutines > before.goroutines {
		stacks := make([]byte, 1<<16)
		text += "\n" + string(stacks[:runtime.Stack(stacks, true)])
	}
	return text
}

// watchHeap samples the heap until the function that it returns is called, which tells by how much it has grown at most.
func watchHeap() func() int64 {
	read := func() int64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	first, most := read(), int64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(2 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				most = max(most, read()-first)
			case <-stop:
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-done
		return most
	}
}
