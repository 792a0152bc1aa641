package sim

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
)

// notes lists what was scripted; what happens to several hosts at the same time is one.
func (r *run) notes() []Note {
	var list []Note
	var hosts [][]string
	for _, h := range r.hosts {
		for i := range h.Phases {
			p := &h.Phases[i]
			n := Note{Text: p.String(), From: p.From, Until: p.Until}
			if n.Until == 0 || n.Until > r.Duration {
				n.Until = r.Duration
			}
			if n.From >= n.Until || n.Text == "" {
				continue
			}
			j := slices.Index(list, n)
			if j < 0 {
				list, hosts, j = append(list, n), append(hosts, nil), len(list)
			}
			hosts[j] = append(hosts[j], h.deployment.ID)
		}
	}
	for i, ids := range hosts {
		who := strings.Join(ids, ", ")
		switch {
		case len(ids) == len(r.hosts) && len(ids) > 1:
			who = "all"
		case len(ids) > 3:
			who = fmt.Sprintf("%d of %d", len(ids), len(r.hosts))
		}
		list[i].Text = who + ": " + list[i].Text
	}
	return list
}

// String says what is wrong: "5 times slower, 50 % HTTP 503".
func (p *Phase) String() string {
	var parts []string
	if p.Slow > 0 && p.Slow != 1 {
		parts = append(parts, fmt.Sprintf("%g times slower", p.Slow))
	}
	if p.Fail > 0 {
		what := "HTTP 500"
		switch f := &p.Fault; {
		case f.Kind == llm.ErrConnection:
			what = "down"
		case f.Kind != "":
			what = strings.ReplaceAll(string(f.Kind), "_", " ")
		case f.Status != 0:
			what = fmt.Sprintf("HTTP %d", f.Status)
		}
		if p.Fail < 1 {
			what = fmt.Sprintf("%g %% %s", 100*p.Fail, what)
		}
		parts = append(parts, what)
	}
	if p.Break > 0 {
		parts = append(parts, fmt.Sprintf("%g %% of streams break off", 100*p.Break))
	}
	s := strings.Join(parts, ", ")
	if s != "" && p.Every > 0 {
		s += fmt.Sprintf(", %s of each %s", p.For, p.Every)
	}
	return s
}

// colours can be told apart, on white and on black.
var colours = [...]string{"#3b82f6", "#12a150", "#f59e0b", "#a855f7", "#ef5da8", "#14b8a6", "#8b5e34", "#e5484d", "#84a316",
	"#5b7083", "#0ea5c6", "#c2410c"}

// The chart's measures.
const (
	chartWidth  = 960.0
	chartLeft   = 64.0
	chartRight  = 944.0
	sharePanel  = 170.0
	loadPanel   = 84.0
	okPanel     = 48.0
	timePanel   = 104.0
	panelGap    = 34.0
	noteRow     = 15.0
	maxNoteRows = 6
)

// chart draws a report.
type chart struct {
	r *Report
	b strings.Builder
	y float64 // where the next panel begins
}

// WriteSVG draws the run: where the attempts went, how many there were, how many calls succeeded, and how long they
// took. The picture needs nothing else, and follows the reader's light or dark theme.
func (r *Report) WriteSVG(w io.Writer) error {
	c := &chart{r: r}
	_, err := io.WriteString(w, c.draw())
	return err
}

func (c *chart) p(format string, a ...any) { fmt.Fprintf(&c.b, format+"\n", a...) }

func (c *chart) x(t time.Duration) float64 {
	return chartLeft + (chartRight-chartLeft)*float64(t)/float64(c.r.Duration)
}

// middle is where a bucket's value is drawn.
func (c *chart) middle(i int) float64 {
	b := &c.r.Buckets[i]
	return c.x(b.Start + min(c.r.Bucket, c.r.Duration-b.Start)/2)
}

func (c *chart) draw() string {
	bands := c.bands()
	c.y = 78
	c.legend(bands)
	c.y += 14
	notes := c.noteRows()
	top := c.y
	c.y += float64(len(notes))*noteRow + panelGap - 10
	c.shares(bands)
	c.load()
	c.success()
	c.latencies()
	bottom := c.y - panelGap
	c.timeAxis(bottom)
	body := c.b.String()

	c.b.Reset()
	height := bottom + 30
	c.p(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" `+
		`font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">`, chartWidth, height, chartWidth, height)
	r := c.r
	c.p(`<title>%s</title>`, html.EscapeString(orDefault(r.Title, "A simulated run")))
	c.p(`<style>text{fill:#1f2933}.soft{fill:#5b6672}.grid{stroke:#d5dbe1}.line{stroke:#1f2933;fill:none}.back{fill:#ffffff}.phase{fill:#e5484d}` +
		`@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.soft{fill:#9aa5b1}.grid{stroke:#333b45}.line{stroke:#e6e9ed}.back{fill:#0d1117}}</style>`)
	c.p(`<rect class="back" width="%.0f" height="%.0f" rx="6"/>`, chartWidth, height)
	c.p(`<text x="20" y="30" font-size="17" font-weight="600">%s</text>`, html.EscapeString(orDefault(r.Title, "A simulated run")))
	c.p(`<text class="soft" x="20" y="51" font-size="12.5">%s</text>`, html.EscapeString(fmt.Sprintf(
		"%s, %s calls: %s succeeded with %.3f attempts each, p50 %s, p99 %s", r.Strategy, count(r.Calls), percent(r.Success()),
		r.Amplification(), span(r.Latency.P50), span(r.Latency.P99))))
	c.notes(notes, top, bottom)
	c.b.WriteString(body)
	c.edges(notes, top, bottom)
	return c.b.String() + "</svg>\n"
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// band is one deployment, or several that stand beside each other, as one colour.
type band struct {
	name     string
	from, to int
}

// maxBands is how many deployments have a colour of their own.
const maxBands = len(colours)

func (c *chart) bands() []band {
	d := c.r.Deployments
	size := 1
	if len(d) > maxBands {
		size = (len(d) + 9) / 10
	}
	var list []band
	for i := 0; i < len(d); i += size {
		b := band{d[i].ID, i, min(i+size, len(d))}
		if b.to-b.from > 1 {
			b.name += " … " + d[b.to-1].ID
		}
		list = append(list, b)
	}
	return list
}

func (c *chart) legend(bands []band) {
	x := 20.0
	for i, b := range bands {
		w := 16 + 7.4*float64(len([]rune(b.name))) + 18
		if x > 20 && x+w > chartRight {
			x = 20
			c.y += 18
		}
		c.p(`<rect x="%.1f" y="%.1f" width="11" height="11" rx="2" fill="%s"/>`, x, c.y-10, colours[i])
		c.p(`<text x="%.1f" y="%.1f" font-size="12.5">%s</text>`, x+16, c.y, html.EscapeString(b.name))
		x += w
	}
}

// noteRows puts notes that overlap into rows of their own.
func (c *chart) noteRows() [][]Note {
	var rows [][]Note
	for _, n := range c.r.Notes {
		placed := false
		for i := range rows {
			last := rows[i][len(rows[i])-1]
			if c.x(n.From) > max(c.x(last.Until), c.x(last.From)+6.2*float64(len(last.Text)))+8 {
				rows[i], placed = append(rows[i], n), true
				break
			}
		}
		if !placed && len(rows) < maxNoteRows {
			rows = append(rows, []Note{n})
		}
	}
	return rows
}

func (c *chart) notes(rows [][]Note, top, bottom float64) {
	for i, row := range rows {
		for _, n := range row {
			x, w, y := c.x(n.From), max(c.x(n.Until)-c.x(n.From), 1), top+float64(i)*noteRow
			if n.From > 0 || n.Until < c.r.Duration { // what always holds needs no shade
				c.p(`<rect class="phase" x="%.1f" y="%.1f" width="%.1f" height="%.1f" opacity="0.09"/>`, x, y+noteRow, w, bottom-y-noteRow)
			}
			c.p(`<rect class="phase" x="%.1f" y="%.1f" width="%.1f" height="2.5" opacity="0.8"/>`, x, y+12, w)
			anchor, tx := "start", x
			if x+6.2*float64(len(n.Text)) > chartRight {
				anchor, tx = "end", chartRight
			}
			c.p(`<text x="%.1f" y="%.1f" font-size="11" text-anchor="%s">%s</text>`, tx, y+9, anchor, html.EscapeString(n.Text))
		}
	}
}

// edges marks where phases begin and end, above the rest.
func (c *chart) edges(rows [][]Note, top, bottom float64) {
	var drawn []time.Duration
	for i, row := range rows {
		for _, n := range row {
			for _, t := range [...]time.Duration{n.From, n.Until} {
				if t == 0 || t == c.r.Duration || slices.Contains(drawn, t) {
					continue
				}
				drawn = append(drawn, t)
				c.p(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#e5484d" stroke-width="0.8" opacity="0.8"/>`,
					c.x(t), c.x(t), top+float64(i)*noteRow+12, bottom)
			}
		}
	}
}

// tick is a horizontal line of a panel, at a height of 0 to 1.
type tick struct {
	name string
	at   float64
}

// panel begins a panel: its title, its horizontal lines.
func (c *chart) panel(title string, height float64, ticks ...tick) {
	c.p(`<text class="soft" x="20" y="%.1f" font-size="12">%s</text>`, c.y-9, html.EscapeString(title))
	for _, t := range ticks {
		y := c.y + height*(1-t.at)
		c.p(`<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, chartLeft, chartRight, y, y)
		c.p(`<text class="soft" x="%.1f" y="%.1f" font-size="10.5" text-anchor="end">%s</text>`, chartLeft-6, y+3.5, t.name)
	}
}

// area fills between two heights (0 to 1) of each bucket; where ok is false there is a gap.
func (c *chart) area(height float64, fill, title string, at func(i int) (low, high float64, ok bool)) {
	var upper, lower points
	empty := true
	flush := func() {
		if !empty {
			slices.Reverse(lower)
			c.p(`<path d="M%sL%sZ" fill="%s"><title>%s</title></path>`, upper, lower, fill, html.EscapeString(title))
		}
		upper, lower, empty = nil, nil, true
	}
	n := len(c.r.Buckets)
	for i := range n {
		low, high, ok := at(i)
		if !ok {
			flush()
			continue
		}
		empty = empty && low == high
		add := func(x float64) {
			upper.add(x, c.y+height*(1-high))
			lower.add(x, c.y+height*(1-low))
		}
		if len(upper) == 0 {
			add(c.x(c.r.Buckets[i].Start))
		}
		add(c.middle(i))
		if _, _, more := at(min(i+1, n-1)); i == n-1 || !more {
			add(c.x(min(c.r.Buckets[i].Start+c.r.Bucket, c.r.Duration)))
		}
	}
	flush()
}

// points are a line.
type points [][2]float64

// add leaves out what lies on a horizontal line anyway.
func (p *points) add(x, y float64) {
	if n := len(*p); n > 1 && (*p)[n-1][1] == y && (*p)[n-2][1] == y {
		*p = (*p)[:n-1]
	}
	*p = append(*p, [2]float64{x, y})
}

func (p points) String() string {
	var b strings.Builder
	for i, at := range p {
		if i > 0 {
			b.WriteByte('L')
		}
		fmt.Fprintf(&b, "%.1f %.1f", at[0], at[1])
	}
	return b.String()
}

// line joins the heights (0 to 1) of the buckets.
func (c *chart) line(height float64, style string, at func(i int) (v float64, ok bool)) {
	var d strings.Builder
	var run points
	flush := func() {
		if len(run) > 0 {
			fmt.Fprintf(&d, "M%sh0", run) // with a round cap, so that one point alone is seen
		}
		run = nil
	}
	for i := range c.r.Buckets {
		if v, ok := at(i); ok {
			run.add(c.middle(i), c.y+height*(1-v))
		} else {
			flush()
		}
	}
	flush()
	c.p(`<path class="line" stroke-linecap="round" stroke-linejoin="round" d="%s" %s/>`, d.String(), style)
}

// shares is where the attempts went.
func (c *chart) shares(bands []band) {
	c.panel("share of the attempts", sharePanel, tick{"0", 0}, tick{"50 %", 0.5}, tick{"100 %", 1})
	sums := make([][]float64, len(c.r.Buckets)) // running, by band
	for i := range c.r.Buckets {
		total := 0
		for _, n := range c.r.Buckets[i].Attempts {
			total += n
		}
		if total == 0 {
			continue
		}
		sum, run := 0, make([]float64, len(bands)+1)
		for j, b := range bands {
			for _, n := range c.r.Buckets[i].Attempts[b.from:b.to] {
				sum += n
			}
			run[j+1] = share(sum, total)
		}
		sums[i] = run
	}
	for j, b := range bands {
		c.area(sharePanel, colours[j], b.name, func(i int) (float64, float64, bool) {
			if sums[i] == nil {
				return 0, 0, false
			}
			return sums[i][j], sums[i][j+1], true
		})
	}
	c.y += sharePanel + panelGap
}

// perSecond is a rate in a bucket, the last of which may be shorter.
func (c *chart) perSecond(i, n int) float64 {
	return float64(n) / min(c.r.Bucket, c.r.Duration-c.r.Buckets[i].Start).Seconds()
}

// load is how many calls and attempts there were.
func (c *chart) load() {
	calls, attempts, most := make([]float64, len(c.r.Buckets)), make([]float64, len(c.r.Buckets)), 0.0
	for i := range c.r.Buckets {
		sum := 0
		for _, n := range c.r.Buckets[i].Attempts {
			sum += n
		}
		calls[i], attempts[i] = c.perSecond(i, c.r.Buckets[i].Calls), c.perSecond(i, sum)
		most = max(most, calls[i], attempts[i])
	}
	top := niceTop(most)
	c.panel("calls a second (line) and attempts a second (dotted)", loadPanel,
		tick{"0", 0}, tick{fmt.Sprintf("%g", top/2), 0.5}, tick{fmt.Sprintf("%g", top), 1})
	c.area(loadPanel, colours[0]+`" opacity="0.22`, "calls a second", func(i int) (float64, float64, bool) { return 0, calls[i] / top, true })
	c.line(loadPanel, `stroke-width="1.2"`, func(i int) (float64, bool) { return calls[i] / top, true })
	c.line(loadPanel, `stroke-width="1.4" stroke-dasharray="2 2.5" style="stroke:#e5484d"`, func(i int) (float64, bool) { return attempts[i] / top, true })
	c.y += loadPanel + panelGap
}

// success is how the calls ended.
func (c *chart) success() {
	c.panel("calls that ended: succeeded (green), failed (red)", okPanel, tick{"0", 0}, tick{"100 %", 1})
	at := func(i int) (float64, bool) {
		b := &c.r.Buckets[i]
		return share(b.Succeeded, b.Succeeded+b.Failed), b.Succeeded+b.Failed > 0
	}
	c.area(okPanel, "#12a150", "succeeded", func(i int) (float64, float64, bool) {
		v, ok := at(i)
		return 0, v, ok
	})
	c.area(okPanel, "#e5484d", "failed", func(i int) (float64, float64, bool) {
		v, ok := at(i)
		return v, 1, ok
	})
	c.y += okPanel + panelGap
}

// latencies has a logarithmic scale.
func (c *chart) latencies() {
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	for i := range c.r.Buckets {
		if b := &c.r.Buckets[i]; b.P50 > 0 {
			least, most = min(least, b.P50), max(most, b.P99)
		}
	}
	if most == 0 {
		least, most = 100*time.Millisecond, time.Second
	}
	low, high := math.Floor(math.Log10(least.Seconds())), math.Ceil(math.Log10(most.Seconds()))
	if high <= low {
		high = low + 1
	}
	scaleOf := func(d time.Duration) float64 { return (math.Log10(d.Seconds()) - low) / (high - low) }
	var ticks []tick
	for e := low; e <= high; e++ {
		for _, m := range [...]float64{1, 3} {
			d := time.Duration(math.Round(m * math.Pow(10, e+9)))
			if v := scaleOf(d); v <= 1.0001 {
				ticks = append(ticks, tick{tickSpan(d), v})
			}
		}
	}
	c.panel("latency of calls that succeeded: p50 (line), p99 (dotted)", timePanel, ticks...)
	c.line(timePanel, `stroke-width="1.5" style="stroke:#3b82f6"`, func(i int) (float64, bool) {
		return scaleOf(max(c.r.Buckets[i].P50, least)), c.r.Buckets[i].P50 > 0
	})
	c.line(timePanel, `stroke-width="1.4" stroke-dasharray="2 2.5" style="stroke:#a855f7"`, func(i int) (float64, bool) {
		return scaleOf(max(c.r.Buckets[i].P99, least)), c.r.Buckets[i].P99 > 0
	})
	c.y += timePanel + panelGap
}

func tickSpan(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%g ms", float64(d)/float64(time.Millisecond))
	case d < time.Hour:
		return fmt.Sprintf("%g s", d.Seconds())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// timeAxis has about ten round times.
func (c *chart) timeAxis(bottom float64) {
	step := 30 * 24 * time.Hour
	for _, s := range [...]time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		if c.r.Duration/s <= 12 {
			step = s
			break
		}
	}
	for t := time.Duration(0); t <= c.r.Duration; t += step {
		x := c.x(t)
		c.p(`<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, bottom, bottom+5)
		c.p(`<text class="soft" x="%.1f" y="%.1f" font-size="11" text-anchor="middle">%s</text>`, x, bottom+17, clock(t))
	}
}

// clock is 1h30m, without the zeros that Duration prints.
func clock(t time.Duration) string {
	s := t.String()
	for _, zero := range [...]string{"h0m0s", "m0s"} {
		if head, ok := strings.CutSuffix(s, zero); ok {
			return head + zero[:1]
		}
	}
	return s
}

// niceTop is a round number that is not less than v.
func niceTop(v float64) float64 {
	if v <= 0 {
		return 1
	}
	e := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range [...]float64{1, 2, 3, 4, 5, 6, 8, 10} {
		if m*e >= v {
			return m * e
		}
	}
	return 10 * e
}
