package sim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/llm-go/llm"
)

// Report is what a run has shown. It prints as a table, and marshals to JSON, with durations in nanoseconds.
type Report struct {
	Title string `json:"title,omitempty"`
	// Seed repeats the run.
	Seed      uint64        `json:"seed"`
	Strategy  string        `json:"strategy"`
	Processes int           `json:"processes"`
	Duration  time.Duration `json:"duration_ns"`

	Calls     int                   `json:"calls"`
	Succeeded int                   `json:"succeeded"`
	Errors    map[llm.ErrorKind]int `json:"errors"` // of the calls that failed
	// Attempts at hosts; Retries of them were not the first of their call, hedges included.
	Attempts int `json:"attempts"`
	Retries  int `json:"retries"`
	// Latency is until the answer, or the first content of a stream, of the calls that succeeded; Failing how long the
	// others took to fail.
	Latency Distribution `json:"latency"`
	Failing Distribution `json:"failing"`
	// Cost is in US dollars, of the deployments that have a Price.
	Cost float64 `json:"cost"`
	// Events counts those of the routers, by kind.
	Events map[string]int `json:"events"`

	// Deployments are in the order of the configuration, those of further fallbacks behind.
	Deployments []DeploymentReport `json:"deployments"`
	// Buckets are the run over time; each is Bucket long.
	Bucket  time.Duration `json:"bucket_ns"`
	Buckets []Bucket      `json:"buckets"`

	// Notes say what was scripted, and when.
	Notes []Note `json:"notes"`

	// Elapsed is how long the simulation took, in real time.
	Elapsed time.Duration `json:"-"`
}

// Note is a [Phase] of one deployment or of several: "eu: 5 times slower".
type Note struct {
	Text  string        `json:"text"`
	From  time.Duration `json:"from_ns"`
	Until time.Duration `json:"until_ns"`
}

// Distribution is how long something took.
type Distribution struct {
	Mean time.Duration `json:"mean_ns"`
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	Max  time.Duration `json:"max_ns"`
}

// DeploymentReport is what a run has shown of one deployment.
type DeploymentReport struct {
	ID string `json:"id"`
	// Served are the calls whose answer came from here.
	Served int `json:"served"`
	// Attempts end as Answers, failures (by kind in Errors), or Canceled: by the caller, or by the faster of two.
	Attempts int                   `json:"attempts"`
	Answers  int                   `json:"answers"`
	Canceled int                   `json:"canceled"`
	Errors   map[llm.ErrorKind]int `json:"errors"`
	// Latency is that of attempts which brought an answer, or a first content.
	Latency Distribution `json:"latency"`
	// The most there was at a time, of all processes: calls in flight, and attempts and tokens (of prompts and answers) in
	// any 60 s.
	PeakInFlight int     `json:"peak_in_flight"`
	PeakRPM      int     `json:"peak_rpm"`
	PeakTPM      int     `json:"peak_tpm"`
	Cost         float64 `json:"cost"`
}

// Bucket is a piece of the run's time. Calls count where they begin, Succeeded and Failed where they end.
type Bucket struct {
	// Start is since the beginning of the run.
	Start     time.Duration `json:"start_ns"`
	Calls     int           `json:"calls"`
	Succeeded int           `json:"succeeded"`
	Failed    int           `json:"failed"`
	// P50 and P99 are of the calls that succeeded; 0: there were none.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	// Attempts that begin here, by deployment, in the order of Report.Deployments.
	Attempts []int `json:"attempts"`
}

// Success is the share of calls that succeeded, 0 to 1.
func (r *Report) Success() float64 { return share(r.Succeeded, r.Calls) }

// Amplification is how many attempts there were to a call.
func (r *Report) Amplification() float64 { return share(r.Attempts, r.Calls) }

// Share is the part of the calls that succeeded whose answer came from this deployment, 0 to 1.
func (r *Report) Share(id string) float64 {
	if d := r.Deployment(id); d != nil {
		return share(d.Served, r.Succeeded)
	}
	return 0
}

// Deployment finds one by id; nil: there is none.
func (r *Report) Deployment(id string) *DeploymentReport {
	for i := range r.Deployments {
		if r.Deployments[i].ID == id {
			return &r.Deployments[i]
		}
	}
	return nil
}

// series is the run over time.
type series struct {
	width   time.Duration
	buckets []bucket
	times   histogram // of the bucket now
	now     int
}

type bucket struct {
	calls, succeeded, failed int
	attempts                 []int
	p50, p99                 time.Duration
}

func newSeries(whole, width time.Duration) series {
	return series{width: width, buckets: make([]bucket, (whole+width-1)/width)}
}

// at is the bucket of a time; nil after the end.
func (s *series) at(t time.Duration) *bucket {
	if i := int(t / s.width); i < len(s.buckets) {
		return &s.buckets[i]
	}
	return nil
}

// observe keeps the latency of a call that ends now. Time does not go back, so one histogram does for all.
func (s *series) observe(now, latency time.Duration) {
	if i := int(now / s.width); i != s.now {
		s.flush()
		s.now = i
	}
	s.times.add(latency)
}

func (s *series) flush() {
	if s.times.n > 0 {
		b := &s.buckets[s.now]
		b.p50, b.p99 = s.times.quantile(0.5), s.times.quantile(0.99)
		s.times.reset()
	}
}

// attempted counts an attempt.
func (r *run) attempted(h *host) {
	b := r.series.at(r.clock.now)
	if b == nil {
		return
	}
	if h.index >= len(b.attempts) {
		b.attempts = append(b.attempts, make([]int, len(r.hosts)-len(b.attempts))...)
	}
	b.attempts[h.index]++
}

func (r *run) report() *Report {
	r.series.flush()
	out := &Report{Title: r.Title, Seed: r.Seed, Strategy: r.strategy(), Processes: r.Processes, Duration: r.Duration,
		Calls: r.calls, Succeeded: r.succeeded, Errors: r.errors, Attempts: r.attempts, Retries: r.retries,
		Latency: r.latency.distribution(), Failing: r.failures.distribution(), Events: r.events, Bucket: r.Bucket}
	for _, h := range r.hosts {
		out.Cost += h.cost
		out.Deployments = append(out.Deployments, DeploymentReport{ID: h.deployment.ID, Served: h.served, Attempts: h.attempts,
			Answers: h.answers, Canceled: h.canceled, Errors: h.errors, Latency: h.times.distribution(),
			PeakInFlight: h.peakInFlight, PeakRPM: h.peakRPM, PeakTPM: int(h.peakTPM), Cost: h.cost})
	}
	for i := range r.series.buckets {
		b := &r.series.buckets[i]
		attempts := append(b.attempts, make([]int, len(r.hosts)-len(b.attempts))...)
		out.Buckets = append(out.Buckets, Bucket{Start: time.Duration(i) * r.Bucket, Calls: b.calls, Succeeded: b.succeeded,
			Failed: b.failed, P50: b.p50, P99: b.p99, Attempts: attempts})
	}
	out.Notes = r.notes()
	return out
}

// String is the report as a table.
func (r *Report) String() string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	if r.Title != "" {
		p("%s", r.Title)
	}
	processes := ""
	if r.Processes > 1 {
		processes = fmt.Sprintf(" by %d processes", r.Processes)
	}
	p("%s calls%s in %s, %s, seed %d", count(r.Calls), processes, r.Duration, r.Strategy, r.Seed)
	p("succeeded %s, attempts a call %.3f, latency p50 %s, p90 %s, p99 %s%s", percent(r.Success()), r.Amplification(),
		span(r.Latency.P50), span(r.Latency.P90), span(r.Latency.P99), money(r.Cost, ", cost "))
	if len(r.Errors) > 0 {
		p("errors    %s", tally(r.Errors))
	}
	if len(r.Events) > 0 {
		p("events    %s", tally(r.Events))
	}
	rows := [][]string{{"deployment", "share", "attempts", "answers", "failed", "p50", "p90", "p99", "in flight", "rpm", "cost"}}
	shown := r.Deployments
	if len(shown) > maxRows {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b DeploymentReport) int { return b.Served - a.Served })
		shown = shown[:maxRows]
	}
	for i := range shown {
		d := &shown[i]
		rows = append(rows, []string{d.ID, percent(share(d.Served, r.Succeeded)), count(d.Attempts), count(d.Answers),
			tally(d.Errors), span(d.Latency.P50), span(d.Latency.P90), span(d.Latency.P99), count(d.PeakInFlight), count(d.PeakRPM),
			money(d.Cost, "")})
	}
	b.WriteString("\n")
	for _, line := range aligned(rows) {
		p("%s", line)
	}
	if n := len(r.Deployments) - len(shown); n > 0 {
		p("and %d more, with at most %s each", n, percent(share(shown[len(shown)-1].Served, r.Succeeded)))
	}
	return b.String()
}

// maxRows bounds the table; of more deployments those with the most calls stand in it.
const maxRows = 16

// aligned lays rows out in columns: the first to the left, the others to the right; columns without content are left out.
func aligned(rows [][]string) []string {
	lines := make([]string, len(rows))
	for col := range rows[0] {
		width, filled := 0, false
		for i, row := range rows {
			width = max(width, utf8.RuneCountInString(row[col]))
			filled = filled || i > 0 && row[col] != ""
		}
		if !filled {
			continue
		}
		for i, row := range rows {
			pad := strings.Repeat(" ", width-utf8.RuneCountInString(row[col]))
			if col == 0 {
				lines[i] = row[col] + pad
			} else {
				lines[i] += "  " + pad + row[col]
			}
		}
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// tally is "server 12, timeout 3", the most frequent first.
func tally[K ~string](m map[K]int) string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b K) int { return m[b] - m[a] })
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(k) + " " + count(m[k]))
	}
	return b.String()
}

// percent has as many digits as it takes to tell all from nearly all.
func percent(v float64) string {
	switch {
	case v == 0 || v == 1:
		return strconv.FormatFloat(100*v, 'f', 0, 64) + " %"
	case v > 0.999:
		return strconv.FormatFloat(math.Floor(v*1e5)/1e3, 'f', 3, 64) + " %"
	case v < 0.01:
		return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
}

// count is 12,345.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span is a duration with three digits.
func span(d time.Duration) string {
	switch s := d.Seconds(); {
	case d == 0:
		return "-"
	case s < 1:
		return strconv.FormatFloat(s*1e3, 'f', 0, 64) + " ms"
	case s < 10:
		return strconv.FormatFloat(s, 'f', 2, 64) + " s"
	case s < 100:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s < 3600:
		return strconv.FormatFloat(s/60, 'f', 1, 64) + " min"
	}
	return strconv.FormatFloat(d.Hours(), 'f', 1, 64) + " h"
}

func money(v float64, before string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%s$%.2f", before, v)
}
