package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

type report struct {
	Contestants []Contestant
	Options     *options
	Date        time.Time
	Rows        []*row
	Streams     []openStreams
	Hello       []hello
	Routes      []routed
}

// line is a row for the terminal.
func (w *row) line(cts []Contestant) string {
	var parts []string
	for _, ct := range cts {
		if f, ok := w.Median[ct.Name]; ok {
			parts = append(parts, fmt.Sprintf("%s %s (%s)", ct.Name, duration(f.Wall), times(w.Ratio[ct.Name].Wall)))
		} else if why := w.Failed[ct.Name]; why != "" {
			parts = append(parts, fmt.Sprintf("%s FAILED: %s", ct.Name, why))
		}
	}
	return strings.Join(parts, "  ")
}

func (s openStreams) line() string {
	if s.Skipped != "" {
		return s.Client + ": skipped: " + s.Skipped
	}
	return fmt.Sprintf("%s: %d streams, each %s resident, %s heap and stack, %.2f goroutines (%.1fs)", s.Client, s.N, bytesOf(s.RSS), bytesOf(s.HeapStack), s.Goroutines, s.Took.Seconds())
}

// A goal is a figure of this library beside what it is to be.
type goal struct {
	What          string
	Most, Reached float64
	Unit          string
}

func (g goal) line() string {
	verdict := "reached"
	if g.Reached > g.Most {
		verdict = "MISSED"
	}
	return fmt.Sprintf("%-8s %s: %s%s of at most %s%s", verdict, g.What, times(g.Reached), g.Unit, times(g.Most), g.Unit)
}

// goals is empty unless this library was measured.
func (r *report) goals() []goal {
	var gs []goal
	for _, w := range r.Rows {
		f, ok := w.Median[libraryName]
		if !ok || !w.Socket {
			continue
		}
		if w.Case.Goal > 0 {
			gs = append(gs, goal{w.Case.Title + ", ratio to the floor", w.Case.Goal, w.Ratio[libraryName].Wall, ""})
		}
		if w.Case.Name == "stream-1k" {
			n := float64(w.Case.Chunks)
			gs = append(gs, goal{"own CPU a chunk", 1, f.CPU / n / 1e3, " µs"}, goal{"allocations a chunk", 3, f.Allocs / n, ""})
		}
	}
	if len(r.Streams) > 1 && r.Streams[0].Skipped == "" {
		for _, s := range r.Streams[1:] {
			if s.Client == libraryName && s.Skipped == "" {
				gs = append(gs, goal{"open streams, live heap and stacks, ratio to the floor", 1.05, ratio(s.HeapStack, r.Streams[0].HeapStack), ""})
				if s.RSS > 0 {
					gs = append(gs, goal{"open streams, resident memory, ratio to the floor", 1.05, ratio(s.RSS, r.Streams[0].RSS), ""})
				}
				gs = append(gs, goal{"open streams, goroutines each", 3, math.Round(s.Goroutines*100) / 100, ""})
			}
		}
	}
	if len(r.Hello) == 2 {
		gs = append(gs, goal{"hello world, over the floor's size", 1.5, float64(r.Hello[1].Size-r.Hello[0].Size) / 1e6, " MB"},
			goal{"hello world, init of what the floor does not have", 1, float64(r.Hello[1].Init) / 1e6, " ms"})
	}
	for _, route := range r.Routes {
		if route.Case == "shuffle" {
			gs = append(gs, goal{fmt.Sprintf("routing over %d deployments, own CPU a call", route.N), map[int]float64{10: 1, 1000: 3}[route.N], route.Added.CPU / 1e3, " µs"},
				goal{fmt.Sprintf("routing over %d deployments, allocations a call", route.N), 4, math.Round(route.Added.Allocs*10) / 10, ""})
		}
	}
	return gs
}

func (r *report) markdown() string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format, a...) }
	p("# Performance\n\n")
	p("Made by `cd bench && go run . -out ../docs` on %s; do not edit by hand. %s, %d cores, %s, %s/%s.\n\n",
		r.Date.Format("2 January 2006"), cpuModel(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	p("![Time of each case as a multiple of raw net/http's, on a logarithmic scale](performance.svg)\n\n")
	p(`Each contestant does the same work. It builds the full request from typed values with every call, decodes the full
answer, and hands over every piece of text, tool arguments or vector, all of which are compared with what was served.
The floor does none of that: it sends a ready body and drains the answer, and splits streams into lines. It is what
the network and net/http cost whatever library is on top.

The upstream is a fake one on loopback, in a process of its own, with prepared bytes: it writes a stream event by event
and flushes every %d. In each of %d rounds the floor runs between any two contestants; a ratio is the median of the ratios
to the floor's batches just before and after. Times are per call, medians of the rounds. A blank is a case that the
contestant does not offer. The garbage collector runs as it does by default.

`, flushEvery, r.Options.rounds)
	p("| Contestant | Version |\n|---|---|\n")
	for i, ct := range r.Contestants {
		switch {
		case i == 0:
			p("| %s | the floor: standard library, no JSON |\n", ct.Name)
		case ct.Name == libraryName:
			p("| **%s** | this library |\n", ct.Name)
		case ct.Module == "":
			p("| %s | standard library, structs with only the members needed |\n", ct.Name)
		default:
			p("| %s | %s %s |\n", ct.Name, ct.Module, moduleVersion(ct.Module))
		}
	}
	if gs := r.goals(); len(gs) > 0 {
		p("\n## What this library set out to reach\n\n| | At most | Measured |\n|---|---:|---:|\n")
		for _, g := range gs {
			mark := ""
			if g.Reached > g.Most {
				mark = " (missed)"
			}
			p("| %s | %s%s | %s%s%s |\n", g.What, times(g.Most), g.Unit, times(g.Reached), g.Unit, mark)
		}
	}
	r.table(&b, &table{
		Title: "Time over TCP on loopback", Text: "In brackets: times the floor. Bold: the least above the floor.",
		Get: func(f figure) float64 { return f.Wall }, Show: duration,
	})
	r.perChunk(&b)
	r.table(&b, &table{
		Title: "Processor time of the client's process",
		Text:  "All threads, garbage collection and the kernel's part of the sockets included; the upstream's is not.",
		Get:   func(f figure) float64 { return f.CPU }, Show: duration, WholeCall: true,
	})
	r.table(&b, &table{Title: "Bytes allocated", Get: func(f figure) float64 { return f.Bytes }, Show: bytesOf, WholeCall: true})
	r.table(&b, &table{Title: "Allocations", Get: func(f figure) float64 { return f.Allocs }, Show: count, WholeCall: true})
	r.table(&b, &table{
		Title: "Time without sockets",
		Text: "The same cases through an http.RoundTripper that answers from memory: what remains is net/http's client above the\n" +
			"transport, and the contestant. The floor has next to nothing left to do, so ratios to it would say nothing. A blank\n" +
			"that is filled above is a client that takes no transport.",
		Get: func(f figure) float64 { return f.Wall }, Show: duration, Memory: true,
	})
	if len(r.Streams) > 0 {
		p("\n## %s open streams\n\nAll read up to their first content and then held, each contestant in a fresh process. Figures are for one stream, over what the process used before the first.\n\n", count(float64(r.Streams[0].N)))
		p("| | Resident memory | Live heap and stacks | Goroutines |\n|---|---:|---:|---:|\n")
		for _, s := range r.Streams {
			if s.Skipped != "" {
				p("| %s | skipped: %s | | |\n", s.Client, s.Skipped)
				continue
			}
			p("| %s | %s | %s | %.2f |\n", s.Client, bytesOf(s.RSS), bytesOf(s.HeapStack), s.Goroutines)
		}
	}
	if len(r.Hello) > 0 {
		p("\n## Hello world\n\nOne chat call, built with `-trimpath -ldflags=\"-s -w\"`; init is the sum over the packages that the floor's program does not have.\n\n")
		p("| | Size | Init |\n|---|---:|---:|\n")
		for i, h := range r.Hello {
			if i == 0 {
				p("| net/http + encoding/json + log/slog | %.2f MB | |\n", float64(h.Size)/1e6)
			} else {
				p("| %s, one provider | %.2f MB (%+.2f) | %.3f ms in %d packages |\n", h.Name, float64(h.Size)/1e6, float64(h.Size-r.Hello[0].Size)/1e6, float64(h.Init)/1e6, h.Pkgs)
			}
		}
	}
	if len(r.Routes) > 0 {
		p("\n## What routing adds to a call\n\nAnswers come from memory, %d callers at once; what the same call costs without a router is taken off. Time is that of all\ncores together; without a router a call takes %s. The last column is the whole call's processor time over that of the call\nwithout a router.\n\n",
			routeCallers, duration(r.Routes[0].Direct.CPU))
		p("| | Deployments | Processor time | Wall time | Bytes | Allocations | Ratio |\n|---|---:|---:|---:|---:|---:|---:|\n")
		for _, route := range r.Routes {
			p("| %s | %d | %s | %s | %s | %s | %s |\n", route.Case, route.N, duration(route.Added.CPU), duration(route.Added.Wall), bytesOf(route.Added.Bytes), count(route.Added.Allocs), times(route.Ratio))
		}
	}
	failed := false
	for _, w := range r.Rows {
		for name, why := range w.Failed {
			if !failed {
				p("\n## Failed\n\n")
				failed = true
			}
			p("- %s, %s: %s\n", w.Case.Title, name, why)
		}
	}
	return b.String()
}

// A table shows one metric: rows are cases, columns contestants.
type table struct {
	Title, Text string
	Get         func(figure) float64
	Show        func(float64) string
	Memory      bool // the cases without sockets, and no ratios
	WholeCall   bool // leave out cases whose time is not that of the call
}

func (r *report) table(b *strings.Builder, t *table) {
	var rows []*row
	for _, w := range r.Rows {
		if w.Socket != t.Memory && !(t.WholeCall && w.Case.First) {
			rows = append(rows, w)
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", t.Title)
	if t.Text != "" {
		fmt.Fprintf(b, "%s\n\n", t.Text)
	}
	b.WriteString(r.head())
	for _, w := range rows {
		fmt.Fprintf(b, "| %s |", w.Case.Title)
		best, least := "", 0.0
		for _, ct := range r.Contestants[1:] {
			if f, ok := w.Median[ct.Name]; ok && (best == "" || t.Get(f) < least) {
				best, least = ct.Name, t.Get(f)
			}
		}
		for i, ct := range r.Contestants {
			f, ok := w.Median[ct.Name]
			if !ok {
				b.WriteString(" |")
				continue
			}
			cell := t.Show(t.Get(f))
			if i > 0 && !t.Memory {
				cell += " (" + times(t.Get(w.Ratio[ct.Name])) + ")"
			}
			if ct.Name == best {
				cell = "**" + cell + "**"
			}
			fmt.Fprintf(b, " %s |", cell)
		}
		b.WriteString("\n")
	}
}

// head is the head of a table with a column for each contestant.
func (r *report) head() string {
	s := "| |"
	for _, ct := range r.Contestants {
		s += " " + ct.Name + " |"
	}
	return s + "\n|---|" + strings.Repeat("---:|", len(r.Contestants)) + "\n"
}

// perChunk writes what one chunk of a stream costs.
func (r *report) perChunk(b *strings.Builder) {
	first := true
	for _, w := range r.Rows {
		if !w.Socket || w.Case.Chunks == 0 || w.Case.First {
			continue
		}
		if first {
			b.WriteString("\n## One chunk of a stream\n\nTime, own processor time, allocations. The call's own cost is spread over the chunks.\n\n" + r.head())
			first = false
		}
		fmt.Fprintf(b, "| %s |", w.Case.Title)
		n := float64(w.Case.Chunks)
		for _, ct := range r.Contestants {
			if f, ok := w.Median[ct.Name]; ok {
				fmt.Fprintf(b, " %s, %s, %s |", duration(f.Wall/n), duration(f.CPU/n), times(f.Allocs/n))
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
}

// duration shows nanoseconds with three digits.
func duration(ns float64) string {
	switch {
	case ns < 999.5:
		return digits(ns) + " ns"
	case ns < 999.5e3:
		return digits(ns/1e3) + " µs"
	case ns < 999.5e6:
		return digits(ns/1e6) + " ms"
	}
	return digits(ns/1e9) + " s"
}

func bytesOf(n float64) string {
	switch {
	case n < 999.5:
		return digits(n) + " B"
	case n < 999.5e3:
		return digits(n/1e3) + " kB"
	}
	return digits(n/1e6) + " MB"
}

// times shows a ratio.
func times(x float64) string {
	if x >= 99.5 {
		return fmt.Sprintf("%.0f", x)
	}
	if x >= 9.95 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func digits(x float64) string {
	switch {
	case x < 9.995:
		return fmt.Sprintf("%.2f", x)
	case x < 99.95:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// count shows a whole number with commas.
func count(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, d := range info.Deps {
		if d.Path == path {
			return cmp.Or(d.Version, "")
		}
	}
	return ""
}
