package cost

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report sums records up: what has been spent, by whom and on what.
//
//	report := cost.NewReport("team", "model")
//	for r, err := range store.Records(ctx, from, to) { … report.Add(r) }
//	fmt.Print(report)
//
// It is for one goroutine.
type Report struct {
	// Title is that of the page.
	Title string
	// Location is whose days and months count; nil: UTC.
	Location *time.Location

	by    []string
	rows  map[string]*Row
	total Row
	slots map[int64]bool
}

// Row is a line of a report. Its sums end at the largest amount.
type Row struct {
	// Key has a value for each thing that the report groups by; "" where a record has none.
	Key []string
	// Calls counts those that were sent, Refused those that a budget did not let through. A try that was lost, and made
	// again, is two.
	Calls, Refused int64
	// Amount is what was spent, of which Uncertain, the difference of High and Low, may not have been.
	Amount, Uncertain Amount
	// Open is what is reserved for calls under way.
	Open Amount
	// Unpriced counts calls without a known price.
	Unpriced int64
	// Buckets are what was used, by dimension: "input", "output" …
	Buckets map[string]int64

	slots map[int64]Amount // by quarters of an hour, of which every zone's days are made
}

const slotLength = 15 * 60

// NewReport makes an empty report that groups by these, in this order: "provider", "model" (with its provider),
// "deployment", "operation", "status", "error", "tags", "hour", "day", "month", "budget:" and a budget's name for the key
// that it was counted under, or "label:" and the name of a label in the metadata. Any other word is a label too.
func NewReport(by ...string) *Report {
	return &Report{Title: "What calls have cost", by: by, rows: make(map[string]*Row), slots: make(map[int64]bool)}
}

// Add takes in a record.
func (r *Report) Add(rec *Record) {
	key := make([]string, len(r.by))
	for i, by := range r.by {
		key[i] = r.value(rec, by)
	}
	id := fmt.Sprintf("%q", key)
	row := r.rows[id]
	if row == nil {
		row = &Row{Key: key}
		r.rows[id] = row
	}
	row.add(rec)
	r.total.add(rec)
}

// AddAll takes in records up to the first error, which it returns.
func (r *Report) AddAll(records iter.Seq2[*Record, error]) error {
	for rec, err := range records {
		if err != nil {
			return err
		}
		r.Add(rec)
	}
	return nil
}

func (r *Report) location() *time.Location {
	if r.Location == nil {
		return time.UTC
	}
	return r.Location
}

// value is what a record has of what a report groups by.
func (r *Report) value(rec *Record, by string) string {
	switch by {
	case "provider":
		return rec.Provider
	case "model":
		return strings.Trim(rec.Provider+"/"+rec.Model, "/")
	case "deployment":
		return rec.Deployment
	case "operation":
		return string(rec.Operation)
	case "status":
		return string(rec.Status)
	case "error":
		return string(rec.Error)
	case "tags":
		return strings.Join(rec.Tags, ", ")
	case "hour":
		return rec.Time.In(r.location()).Format("2006-01-02 15:00 -0700")
	case "day":
		return rec.Time.In(r.location()).Format(time.DateOnly)
	case "month":
		return rec.Time.In(r.location()).Format("2006-01")
	}
	if name, ok := strings.CutPrefix(by, "budget:"); ok {
		i := slices.IndexFunc(rec.Charges, func(c Charge) bool { return c.Budget == name })
		if i < 0 {
			return ""
		}
		return rec.Charges[i].Key
	}
	return rec.Metadata[strings.TrimPrefix(by, "label:")]
}

func (w *Row) add(rec *Record) {
	switch rec.Status {
	case StatusUnused:
		return
	case StatusRefused:
		w.Refused++
		return
	case StatusOpen:
		w.Calls++
		w.Open = plus(w.Open, rec.Reserved)
		return
	}
	w.Calls++
	if rec.Unpriced {
		w.Unpriced++
	}
	w.Amount = plus(w.Amount, rec.Amount)
	if rec.High > rec.Low {
		w.Uncertain = plus(w.Uncertain, rec.High-rec.Low)
	}
	if w.Buckets == nil {
		w.Buckets, w.slots = make(map[string]int64), make(map[int64]Amount)
	}
	for _, b := range rec.Buckets {
		w.Buckets[b.Of] += b.N
	}
	slot := rec.Time.Unix() / slotLength
	w.slots[slot] = plus(w.slots[slot], rec.Amount)
}

// Rows are the groups, the most expensive first.
func (r *Report) Rows() []*Row {
	rows := slices.Collect(maps.Values(r.rows))
	slices.SortFunc(rows, func(a, b *Row) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(b.Calls, a.Calls), slices.Compare(a.Key, b.Key))
	})
	return rows
}

// Total is the sum of all rows; it has no key.
func (r *Report) Total() *Row { return &r.total }

// buckets are the dimensions that occur, in a fixed order.
func (r *Report) buckets() []string { return slices.Sorted(maps.Keys(r.total.Buckets)) }

// String is a table.
func (r *Report) String() string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	line := func(row *Row, key []string) {
		for _, k := range key {
			fmt.Fprintf(w, "%s\t", printable(cmp.Or(k, "–")))
		}
		fmt.Fprintf(w, "%d\t%d\t$%s\t$%s\n", row.Calls, row.Refused, row.Amount, row.Uncertain)
	}
	for _, by := range r.by {
		fmt.Fprintf(w, "%s\t", printable(strings.ToUpper(strings.TrimPrefix(by, "label:"))))
	}
	fmt.Fprint(w, "CALLS\tREFUSED\tSPENT\tOF THAT UNCERTAIN\n")
	for _, row := range r.Rows() {
		line(row, row.Key)
	}
	total := make([]string, len(r.by))
	if len(total) > 0 {
		total[0] = "total"
		for i := range total[1:] {
			total[i+1] = " "
		}
		line(&r.total, total)
	}
	_ = w.Flush()
	return s.String()
}

// printable keeps a label from moving a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if strconv.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, s)
}

// WriteCSV writes a line for each row, amounts in dollars, exactly. Values that a spreadsheet would take for a formula
// begin with an apostrophe.
func (r *Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	head := make([]string, 0, len(r.by)+8)
	for _, by := range r.by {
		head = append(head, cell(strings.TrimPrefix(by, "label:")))
	}
	head = append(head, "calls", "refused", "unpriced", "spent_usd", "uncertain_usd", "open_usd")
	buckets := r.buckets()
	head = append(head, buckets...)
	_ = c.Write(head) // Error has what went wrong
	for _, row := range r.Rows() {
		line := make([]string, 0, len(head))
		for _, k := range row.Key {
			line = append(line, cell(k))
		}
		for _, n := range []int64{row.Calls, row.Refused, row.Unpriced} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		line = append(line, row.Amount.String(), row.Uncertain.String(), row.Open.String())
		for _, b := range buckets {
			line = append(line, strconv.FormatInt(row.Buckets[b], 10))
		}
		_ = c.Write(line)
	}
	c.Flush()
	return c.Error()
}

// cell defuses formulas; see OWASP, "CSV Injection".
func cell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r\n＝＋－＠|%'", []rune(s)[0]) {
		return s
	}
	return "'" + s
}
