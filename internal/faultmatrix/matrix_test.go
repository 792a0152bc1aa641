//go:build linux

package faultmatrix

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
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
	all := true
	for _, r := range slices.Concat(rows, processRows) {
		ran := false
		good := t.Run(r.number, func(t *testing.T) {
			ran = true
			for _, f := range r.faults {
				lines = append(lines, r.run(t, f)...)
			}
		})
		all = all && ran && good
	}
	require.NotZero(t, log.lines, "nothing was logged, so nothing was looked at")
	if all {
		publish(t, lines)
	}
}

// run runs the cells of one fault beside each other.
func (r row) run(t *testing.T, f *fault) []*line {
	f.prepare()
	before := count()
	peak := watchHeap()
	var ran []*line
	var wg sync.WaitGroup
	atOnce := make(chan struct{}, 12)
	switch {
	case f.heavy:
		atOnce = make(chan struct{}, 2)
	case f.huge:
		atOnce = make(chan struct{}, 4)
	}
	start := time.Now()
	for _, w := range f.ways() {
		l := &line{row: r, fault: f, way: w}
		ran = append(ran, l)
		for _, d := range dialects {
			c := &cell{recorder: &recorder{}, fault: f, dialect: d, way: w}
			l.cells = append(l.cells, c)
			if c.none() {
				c.text = "—"
				continue
			}
			wg.Go(func() {
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				defer c.cleanup()
				c.run()
			})
		}
	}
	wg.Wait()
	took := time.Since(start)
	grown := peak()
	if left := settle(func() string { return count().over(before) }); left != "" {
		t.Errorf("%s: after its cells there are more %s\n%s", f.name, left, stacks())
	}
	if leak := log.taken(); leak != "" {
		t.Errorf("%s: %s", f.name, leak)
	}
	if f.heavy {
		require.Less(t, grown, int64(192<<20), "%s: growth of the heap", f.name)
	}
	for _, l := range ran {
		for _, c := range l.cells {
			for _, text := range c.errors {
				t.Errorf("%s, %s, %s: %s", f.name, c.dialect.name, c.way, text)
			}
		}
	}
	t.Logf("%s: %s, heap +%d MB", f.name, took.Round(time.Millisecond), grown>>20)
	return ran
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
	return fmt.Sprintf("goroutines (%d before, %d now) or descriptors (%d, %d)", before.goroutines, c.goroutines, before.descriptors, c.descriptors)
}

func stacks() []byte {
	text := make([]byte, 1<<16)
	return text[:runtime.Stack(text, true)]
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
