package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// colours are read on white and on black; the library's stands out.
var colours = map[string]string{
	"net/http+json": "#8b95a5",
	libraryName:     "#12a150",
	"openai-go":     "#3b82f6",
	"go-openai":     "#a855f7",
	"any-llm-go":    "#f59e0b",
	"langchaingo":   "#ef5da8",
}

// svg draws the ratios to the floor over TCP, a group of bars for each case, on a logarithmic scale.
func (r *report) svg() string {
	const (
		width, left, right = 960.0, 284.0, 48.0
		bar, gap, group    = 10.0, 1.5, 13.0
		top                = 86.0
	)
	var rows []*row
	most := 10.0
	for _, w := range r.Rows {
		if !w.Socket || len(w.Median) < 2 {
			continue
		}
		rows = append(rows, w)
		for _, f := range w.Ratio {
			most = max(most, f.Wall)
		}
	}
	most = math.Ceil(most/10) * 10
	x := func(v float64) float64 {
		return left + (width-left-right)*math.Log(max(v, 0.9)/0.9)/math.Log(most/0.9)
	}
	height := top
	for _, w := range rows {
		height += float64(len(w.Median)-1)*(bar+gap) + group
	}
	bottom := height
	height += 34

	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">`, width, height, width, height)
	p(`<title>Time of each case as a multiple of raw net/http's</title>`)
	p(`<style>text{fill:#1f2933}.soft{fill:#5b6672}.grid{stroke:#c9d0d8}.floor{stroke:#1f2933}.back{fill:#ffffff}` +
		`@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.soft{fill:#9aa5b1}.grid{stroke:#3a424c}.floor{stroke:#e6e9ed}.back{fill:#0d1117}}</style>`)
	p(`<rect class="back" width="%.0f" height="%.0f" rx="6"/>`, width, height)
	p(`<text x="20" y="30" font-size="17" font-weight="600">Time a call, as a multiple of raw net/http (shorter is better)</text>`)

	// This library comes first, wherever it was measured.
	order := slices.Clone(r.Contestants[1:])
	if i := slices.IndexFunc(order, func(c Contestant) bool { return c.Name == libraryName }); i > 0 {
		order = slices.Concat(order[i:i+1], order[:i], order[i+1:])
	}
	lx := 20.0
	for _, ct := range order {
		p(`<rect x="%.1f" y="46" width="11" height="11" rx="2" fill="%s"/>`, lx, colour(ct.Name))
		name, weight := ct.Name, ""
		if name == libraryName {
			name, weight = "llm (this library)", ` font-weight="600"`
		}
		p(`<text x="%.1f" y="56" font-size="12.5"%s>%s</text>`, lx+16, weight, html.EscapeString(name))
		lx += 16 + 7.2*float64(len(name)) + 22
	}

	for _, tick := range []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000} {
		if tick > most {
			break
		}
		class, wide := "grid", 1.0
		if tick == 1 {
			class, wide = "floor", 1.5
		}
		p(`<line class="%s" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke-width="%.1f"/>`, class, x(tick), x(tick), top-6, bottom, wide)
		p(`<text class="soft" x="%.1f" y="%.1f" font-size="11" text-anchor="middle">%g×</text>`, x(tick), bottom+15, tick)
	}
	p(`<text class="soft" x="%.1f" y="%.1f" font-size="11" text-anchor="end">floor</text>`, x(1)-12, bottom+15)

	y := top
	for _, w := range rows {
		n := float64(len(w.Median) - 1)
		p(`<text x="%.1f" y="%.1f" font-size="12.5" text-anchor="end">%s</text>`, left-14, y+n*(bar+gap)/2+4, html.EscapeString(w.Case.Title))
		for _, ct := range order {
			f, ok := w.Ratio[ct.Name]
			if !ok {
				continue
			}
			x0, x1 := min(x(1), x(f.Wall)), max(x(1), x(f.Wall))
			p(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="1.5" fill="%s"><title>%s, %s: %s, %s times the floor</title></rect>`,
				x0, y, max(x1-x0, 1), bar, colour(ct.Name), html.EscapeString(ct.Name), html.EscapeString(w.Case.Title), duration(w.Median[ct.Name].Wall), times(f.Wall))
			weight := ""
			if ct.Name == libraryName {
				weight = ` font-weight="700"`
			}
			p(`<text class="soft" x="%.1f" y="%.1f" font-size="9.5"%s>%s</text>`, x1+4, y+bar-1.5, weight, times(f.Wall))
			y += bar + gap
		}
		y += group
	}
	p(`</svg>`)
	return b.String()
}

func colour(name string) string {
	if c, ok := colours[name]; ok {
		return c
	}
	return "#14b8a6"
}
