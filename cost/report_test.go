package cost_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/models"
	"github.com/stretchr/testify/require"
)

// records are those of some weeks, with one of everything.
func records() []*cost.Record {
	rnd := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)
	teams := []string{"search", "support", "billing", "research", "mobile", "ads", "legal", "growth", "<b>R&D</b>", "=cmd|'/c calc'!A1"}
	var list []*cost.Record
	for i := range 4000 {
		day := rnd.IntN(40)
		at := start.Add(time.Duration(day)*24*time.Hour + time.Duration(8+rnd.IntN(10))*time.Hour + time.Duration(rnd.IntN(3600))*time.Second)
		if wd := at.Weekday(); wd == time.Saturday || wd == time.Sunday {
			continue
		}
		n := int64(200 + rnd.IntN(4000))
		r := &cost.Record{ID: fmt.Sprint(i), Time: at, Provider: "openai", Model: "m", Status: cost.StatusOK,
			Amount: cost.Amount(n) * 12_000_000, Metadata: map[string]string{"team": teams[min(rnd.IntN(10), rnd.IntN(10))]},
			Charges: []cost.Charge{{Budget: "all"}, {Budget: "user", Key: "ada"}},
			Buckets: []cost.Bucket{{Of: "input", N: n, Amount: 1}, {Of: "output", N: n / 2, Amount: 1}}}
		r.Low, r.High = r.Amount, r.Amount
		switch rnd.IntN(30) {
		case 0:
			r.Status, r.Low = cost.StatusCut, 0
		case 1:
			r.Status, r.Amount, r.Buckets = cost.StatusRefused, 0, nil
		}
		list = append(list, r)
	}
	return list
}

func TestReport(t *testing.T) {
	rep := cost.NewReport("team", "model")
	var sum, uncertain cost.Amount
	var calls, refused int64
	for _, r := range records() {
		rep.Add(r)
		sum += r.Amount
		if r.Status == cost.StatusRefused {
			refused++
			continue
		}
		calls++
		uncertain += r.High - r.Low
	}
	total := rep.Total()
	require.Equal(t, sum, total.Amount)
	require.Equal(t, uncertain, total.Uncertain)
	require.Equal(t, calls, total.Calls)
	require.Equal(t, refused, total.Refused)
	rows := rep.Rows()
	require.Len(t, rows, 10)
	sum = 0
	for i, row := range rows {
		require.Equal(t, "openai/m", row.Key[1])
		require.True(t, i == 0 || row.Amount <= rows[i-1].Amount)
		sum += row.Amount
	}
	require.Equal(t, total.Amount, sum)
	text := rep.String()
	require.Contains(t, text, "TEAM")
	require.Contains(t, text, "$"+total.Amount.String())
}

func TestReportGroups(t *testing.T) {
	at := time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC)
	rec := &cost.Record{Time: at, Provider: "p", Model: "m", Deployment: "d", Operation: "completion", Status: cost.StatusOK, Amount: 5,
		Charges: []cost.Charge{{Budget: "team", Key: "red"}}, Tags: []string{"a", "b"}, Metadata: map[string]string{"model": "mine", "x": "y"}}
	for by, want := range map[string]string{"provider": "p", "model": "p/m", "deployment": "d", "operation": "completion", "status": "ok",
		"error": "", "tags": "a, b", "day": "2026-03-29", "month": "2026-03", "hour": "2026-03-29 00:00 +0100", "budget:team": "red",
		"budget:none": "", "label:model": "mine", "x": "y", "z": ""} {
		rep := cost.NewReport(by)
		rep.Location = zone(t, "Europe/Zurich")
		rep.Add(rec)
		require.Equal(t, []string{want}, rep.Rows()[0].Key, by)
	}
	rep := cost.NewReport()
	rep.Add(rec)
	rep.Add(&cost.Record{Status: cost.StatusOpen, Reserved: 7, Time: at})
	require.Len(t, rep.Rows(), 1)
	require.Equal(t, cost.Amount(7), rep.Total().Open)
	require.Equal(t, cost.Amount(5), rep.Total().Amount)
	err := rep.AddAll(func(yield func(*cost.Record, error) bool) { _ = yield(rec, nil) && yield(nil, errors.New("broken")) })
	require.ErrorContains(t, err, "broken")
	require.Equal(t, cost.Amount(10), rep.Total().Amount)
}

// A label cannot become a formula of the spreadsheet, or an element of the page.
func TestReportIsSafe(t *testing.T) {
	rep := cost.NewReport("x", `label:<img src=//a onerror=b>`)
	rep.Title = "</title><script>alert(1)</script>"
	bad := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "|x", "a,b", `a"b`, "<script>x</script>", "\x1b[2J", "\xff<"}
	for _, v := range bad {
		rep.Add(&cost.Record{Metadata: map[string]string{"x": v}, Amount: 1, Time: time.Unix(0, 0)})
	}
	var b bytes.Buffer
	require.NoError(t, rep.WriteCSV(&b))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, len(bad)+1)
	for _, line := range lines {
		for _, v := range line {
			require.False(t, v != "" && strings.ContainsRune("=+-@\t\r\n＝|", []rune(v)[0]), "%q", v)
		}
	}
	b.Reset()
	require.NoError(t, rep.WriteHTML(&b))
	page := b.String()
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "<img")
	require.NotRegexp(t, regexp.MustCompile(`(?i)( src=| href=|url\(|@import|https?:)`), strings.ReplaceAll(page, "&lt;img src=//a", ""), "it loads something")
	require.NotContains(t, rep.String(), "\x1b")
	require.NotContains(t, page, "NaN")
	require.ErrorContains(t, rep.WriteHTML(brokenWriter{}), "full")
	require.ErrorContains(t, rep.WriteCSV(brokenWriter{}), "full")
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

// Pages of every span of time, and of nothing.
func TestReportPages(t *testing.T) {
	for unit, days := range map[string]int{"hour": 1, "day": 30, "month": 900} {
		rep := cost.NewReport("model")
		for i := range 20 {
			at := time.Date(2026, 2, 28, 3, 0, 0, 0, time.UTC).Add(time.Duration(i*days) * 24 * time.Hour / 20)
			rep.Add(&cost.Record{Provider: "p", Model: fmt.Sprint(i), Time: at, Amount: models.Dollar / 3 * cost.Amount(i), Status: cost.StatusOK})
		}
		var b bytes.Buffer
		require.NoError(t, rep.WriteHTML(&b))
		require.Contains(t, b.String(), "<h2>By "+unit+"</h2>")
		require.Contains(t, b.String(), "others")
		require.Contains(t, b.String(), "$63.33")
	}
	rep := cost.NewReport("model")
	var b bytes.Buffer
	require.NoError(t, rep.WriteHTML(&b))
	require.NoError(t, rep.WriteCSV(&b))
	require.NotEmpty(t, rep.String())
	rep.Add(&cost.Record{Amount: cost.Unlimited, Low: 0, High: cost.Unlimited, Time: time.Unix(-1<<40, 0)})
	rep.Add(&cost.Record{Amount: cost.Unlimited, Status: cost.StatusOK, Time: time.Unix(1<<40, 0)})
	require.Equal(t, cost.Unlimited, rep.Total().Amount)
	require.NoError(t, rep.WriteHTML(&b))
}
