package cost

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"html"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm/models"
)

//go:embed report.css
var reportStyle string

// WriteHTML writes a page with charts and all rows. It is one file, without scripts, and loads nothing.
func (r *Report) WriteHTML(w io.Writer) error {
	p := &page{Writer: bufio.NewWriter(w), report: r, rows: r.Rows()}
	p.put(`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>`, esc(r.Title), "</title><style>",
		reportStyle, "</style><main><h1>", esc(r.Title), "</h1>")
	p.head()
	p.timeline()
	p.bars()
	p.table()
	p.put("</main></html>\n")
	return p.Flush()
}

func esc(s string) string { return html.EscapeString(printable(s)) }

// page is being written; errors are kept by the writer until Flush.
type page struct {
	*bufio.Writer
	report *Report
	rows   []*Row
}

func (p *page) put(parts ...string) {
	for _, s := range parts {
		_, _ = p.WriteString(s)
	}
}

// name is what a row is called.
func (p *page) name(row *Row) string {
	if len(row.Key) == 0 {
		return "all calls"
	}
	names := make([]string, len(row.Key))
	for i, k := range row.Key {
		names[i] = cmp.Or(k, "–")
	}
	return strings.Join(names, " · ")
}

func (p *page) head() {
	t := &p.report.total
	if len(t.slots) > 0 {
		slots := slices.Sorted(maps.Keys(t.slots))
		day := func(slot int64) string { return slotTime(slot, p.report.location()).Format("2 January 2006") }
		from, to := day(slots[0]), day(slots[len(slots)-1])
		if from != to {
			from += " – " + to
		}
		p.put(`<p class="sub">`, esc(from), ", ", esc(p.report.location().String()), "</p>")
	}
	p.put(`<div class="cards">`)
	card := func(label, value, note string) {
		p.put(`<div class="card"><div class="label">`, label, `</div><div class="value">`, value, `</div>`,
			`<div class="note">`, note, "</div></div>")
	}
	note := "billed to the last token"
	if t.Uncertain > 0 {
		note = dollars(t.Uncertain) + " of it uncertain: calls that broke off count in full"
	}
	card("Spent", dollars(t.Amount), note)
	note = "none without a known price"
	if t.Unpriced > 0 {
		note = grouped(t.Unpriced) + " without a known price"
	}
	card("Calls", grouped(t.Calls), note)
	mean := "–"
	if t.Calls > 0 {
		mean = dollars(t.Amount / Amount(t.Calls))
	}
	card("Per call", mean, "on average")
	card("Refused", grouped(t.Refused), "by a budget, before they were sent")
	p.put("</div>")
}

// series is how many groups have a colour of their own; the rest shares one.
const series = 7

// timeline is a chart of what was spent when: bars by hour, day or month, whichever are of a readable number.
func (p *page) timeline() {
	total := &p.report.total
	if len(total.slots) == 0 {
		return
	}
	unit, steps := p.steps()
	at := make(map[string]int, len(steps))
	for i, s := range steps {
		at[s] = i
	}
	names, bars := []string{}, [][]Amount{} // by series, then by step
	for i, row := range p.rows {
		if row.Amount == 0 {
			break
		}
		if i <= series {
			names, bars = append(names, p.name(row)), append(bars, make([]Amount, len(steps)))
		}
		k := min(i, series)
		if i > series {
			names[k] = "others"
		}
		for slot, v := range row.slots {
			x := &bars[k][at[p.step(slot, unit)]]
			*x = plus(*x, v)
		}
	}
	most := Amount(1)
	for i := range steps {
		sum := Amount(0)
		for k := range bars {
			sum = plus(sum, bars[k][i])
		}
		most = max(most, sum)
	}
	p.put("<section><h2>By ", unit, "</h2>")
	p.legend(names)
	p.chart(steps, names, bars, ceiling(most))
	p.put("</section>")
}

// The chart's measures.
const chartWidth, chartHeight, chartLeft, chartBottom = 960, 260, 76, 24

func (p *page) chart(steps, names []string, bars [][]Amount, top Amount) {
	fmt.Fprintf(p, `<svg viewBox="0 0 %d %d" role="img" aria-label="What was spent over time">`,
		chartWidth, chartHeight+chartBottom+8)
	height := func(v Amount) float64 { return float64(v) / float64(top) * chartHeight }
	for i := range 5 {
		v := top / 4 * Amount(i)
		y := 8 + chartHeight - height(v)
		fmt.Fprintf(p, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`+
			`<text class="axis" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth, y, y, chartLeft-8, y+4, dollars(v))
	}
	pitch := float64(chartWidth-chartLeft) / float64(len(steps))
	width := min(max(pitch*0.72, 1), 56)
	every := 1 + (len(steps)-1)/12
	for i, step := range steps {
		x, y := chartLeft+pitch*(float64(i)+0.5), 8.0+chartHeight
		for k := range bars {
			if bars[k][i] == 0 {
				continue
			}
			h := height(bars[k][i])
			y -= h
			fmt.Fprintf(p, `<rect class="c%d" x="%.1f" y="%.2f" width="%.1f" height="%.2f"><title>%s: %s %s</title></rect>`,
				k, x-width/2, y, width, h, esc(step), esc(names[k]), dollars(bars[k][i]))
		}
		if i%every == 0 {
			fmt.Fprintf(p, `<text class="axis" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
				x, 8+chartHeight+18, esc(short(step)))
		}
	}
	p.put("</svg>")
}

func (p *page) legend(names []string) {
	if len(names) < 2 {
		return
	}
	p.put(`<ul class="legend">`)
	for k, name := range names {
		fmt.Fprintf(p, `<li><svg viewBox="0 0 10 10"><rect class="c%d" width="10" height="10" rx="2"/></svg>%s</li>`,
			k, esc(name))
	}
	p.put("</ul>")
}

func slotTime(slot int64, loc *time.Location) time.Time {
	return time.Unix(slot*slotLength, 0).In(loc)
}

// step is the bar that a slot belongs to.
func (p *page) step(slot int64, unit string) string {
	t := slotTime(slot, p.report.location())
	switch unit {
	case "hour":
		return t.Format("2006-01-02 15:00 -0700")
	case "day":
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01")
}

// short is a step as there is room for below a bar.
func short(step string) string {
	if t, err := time.Parse("2006-01-02 15:00 -0700", step); err == nil {
		return t.Format("15:04")
	}
	if t, err := time.Parse(time.DateOnly, step); err == nil {
		return t.Format("2 Jan")
	}
	if t, err := time.Parse("2006-01", step); err == nil {
		return t.Format("Jan 2006")
	}
	return step
}

// steps are all bars from the first to the last, those without spending too.
func (p *page) steps() (unit string, steps []string) {
	slots := slices.Sorted(maps.Keys(p.report.total.slots))
	first, last := slots[0], slots[len(slots)-1]
	days := (last - first) * slotLength / (24 * 3600)
	switch unit = "month"; {
	case days < 2:
		unit = "hour"
	case days < 93:
		unit = "day"
	case days > 100*366: // somebody's clock was wrong
		for _, slot := range slots {
			if s := p.step(slot, unit); len(steps) == 0 || steps[len(steps)-1] != s {
				steps = append(steps, s)
			}
		}
		return unit, steps
	}
	for slot := first; slot <= last; slot++ {
		if s := p.step(slot, unit); len(steps) == 0 || steps[len(steps)-1] != s {
			steps = append(steps, s)
		}
	}
	return unit, steps
}

// maxBars bounds the second chart; the table has all rows.
const maxBars = 15

// bars is a chart of the largest groups.
func (p *page) bars() {
	if len(p.rows) < 2 || p.rows[0].Amount == 0 {
		return
	}
	p.put("<section><h2>By ", esc(strings.Join(p.headings(), ", ")), `</h2><div class="bars">`)
	top := p.rows[0].Amount
	for i, row := range p.rows {
		if i == maxBars || row.Amount == 0 {
			break
		}
		name := esc(p.name(row))
		fmt.Fprintf(p, `<div class="name" title="%s">%s</div><div><svg viewBox="0 0 100 10" preserveAspectRatio="none">`+
			`<rect class="c%d" width="%.2f" height="10"/></svg></div>`,
			name, name, min(i, series), max(100*float64(row.Amount)/float64(top), 0.3))
		fmt.Fprintf(p, `<div class="num" title="$%s">%s</div><div class="num dim">%.1f&#8239;%%</div>`,
			row.Amount, dollars(row.Amount), p.share(row))
	}
	p.put("</div></section>")
}

func (p *page) share(row *Row) float64 {
	return 100 * float64(row.Amount) / float64(max(p.report.total.Amount, 1))
}

func (p *page) headings() []string {
	var names []string
	for _, by := range p.report.by {
		names = append(names, strings.TrimPrefix(by, "label:"))
	}
	return names
}

func (p *page) table() {
	buckets := p.report.buckets()
	p.put(`<section><h2>All rows</h2><div class="scroll"><table><thead><tr>`)
	for _, name := range p.headings() {
		p.put("<th>", esc(name), "</th>")
	}
	for _, name := range append([]string{"calls", "refused", "spent", "share", "uncertain"}, buckets...) {
		p.put(`<th class="num">`, esc(strings.ReplaceAll(name, "_", " ")), "</th>")
	}
	p.put("</tr></thead><tbody>")
	for _, row := range p.rows {
		p.put("<tr>")
		for _, k := range row.Key {
			p.put("<td>", esc(cmp.Or(k, "–")), "</td>")
		}
		p.numbers(row, buckets)
	}
	p.put("</tbody><tfoot><tr>")
	if n := len(p.report.by); n > 0 {
		fmt.Fprintf(p, `<td colspan="%d">total</td>`, n)
	}
	p.numbers(&p.report.total, buckets)
	p.put("</tfoot></table></div></section>")
}

// numbers ends a row of the table.
func (p *page) numbers(row *Row, buckets []string) {
	num := func(text, exact string) {
		p.put(`<td class="num"`)
		if exact != "" {
			p.put(` title="$`, exact, `"`)
		}
		p.put(">", text, "</td>")
	}
	num(grouped(row.Calls), "")
	num(grouped(row.Refused), "")
	num(dollars(row.Amount), row.Amount.String())
	num(fmt.Sprintf("%.1f&#8239;%%", p.share(row)), "")
	num(dollars(row.Uncertain), row.Uncertain.String())
	for _, b := range buckets {
		num(grouped(row.Buckets[b]), "")
	}
	p.put("</tr>")
}

// dollars is an amount for people: to the cent, and below ten cents to three digits.
func dollars(a Amount) string {
	if a > 0 && a < models.Dollar/10 {
		digits := strings.TrimLeft(fmt.Sprintf("%012d", int64(a)), "0")
		return "$" + strconv.FormatFloat(float64(a)/1e12, 'f', min(15-len(digits), 12), 64)
	}
	cents := int64(a / (models.Dollar / 100))
	if a%(models.Dollar/100) >= models.Dollar/200 {
		cents++
	}
	return fmt.Sprintf("$%s.%02d", grouped(cents/100), cents%100)
}

// grouped is a count with its thousands apart.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ceiling is a round amount that is not below v: one, two, or five, and zeros.
func ceiling(v Amount) Amount {
	for unit := Amount(4); unit < Unlimited/100; unit *= 10 {
		for _, f := range []Amount{1, 2, 5} {
			if unit*f >= v {
				return unit * f
			}
		}
	}
	return v
}
