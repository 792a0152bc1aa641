package casefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// AnyText in a golden answer matches any text that is not empty: ids that are made up, for example.
const AnyText = "$ANY"

// StrictJSON refuses members that v does not have: in golden files they are typing errors.
func StrictJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON value")
	}
	return nil
}

// ParseJSON reads one JSON value; its numbers keep their digits.
func ParseJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON value")
	}
	return v, nil
}

// DiffJSON compares by meaning: the order of members is free, and numbers are equal by value. It returns ""
// or a line for each difference and then both sides, indented.
func DiffJSON(got, want []byte) string {
	g, err := ParseJSON(got)
	if err != nil {
		return fmt.Sprintf("got something that is not JSON (%v): %s", err, Clip(got))
	}
	w, err := ParseJSON(want)
	if err != nil {
		return fmt.Sprintf("want is not JSON (%v): %s", err, Clip(want))
	}
	var out []string
	walkDiff("", g, w, &out)
	if len(out) == 0 {
		return ""
	}
	const most = 12
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("… and %d more", len(out)-most))
	}
	return strings.Join(out, "\n") + "\n" + DiffLines(Indent(g), Indent(w))
}

// SameJSON says whether two documents mean the same. Ids of tool calls that the engine made up differ from run to
// run and count as equal.
func SameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	made := []byte(`"call_made_up"`)
	return DiffJSON(madeUpID.ReplaceAll(a, made), madeUpID.ReplaceAll(b, made)) == ""
}

var madeUpID = regexp.MustCompile(`"call_[A-Z2-7]{24}"`)

func walkDiff(path string, got, want any, out *[]string) {
	differ := func() {
		*out = append(*out, fmt.Sprintf("at %s: got %s, want %s", At(path), Short(got), Short(want)))
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			differ()
			return
		}
		for _, k := range SortedKeys(w) {
			if gv, ok := g[k]; ok {
				walkDiff(path+"."+k, gv, w[k], out)
			} else {
				*out = append(*out, fmt.Sprintf("at %s: missing, want %s", At(path+"."+k), Short(w[k])))
			}
		}
		for _, k := range SortedKeys(g) {
			if _, ok := w[k]; !ok {
				*out = append(*out, fmt.Sprintf("at %s: unexpected %s", At(path+"."+k), Short(g[k])))
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			differ()
			return
		}
		for i := range w {
			walkDiff(fmt.Sprintf("%s[%d]", path, i), g[i], w[i], out)
		}
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || !sameNumber(string(g), string(w)) {
			differ()
		}
	case string:
		g, ok := got.(string)
		if !ok || g != w && (w != AnyText || g == "") {
			differ()
		}
	default:
		if got != want {
			differ()
		}
	}
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) > 400 || len(b) > 400 || strings.ContainsAny(a+b, "eE") && len(a)+len(b) > 60 {
		return false
	}
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

// At names a place in a document.
func At(path string) string {
	if path == "" {
		return "the top"
	}
	return strings.TrimPrefix(path, ".")
}

// Short is a value in a line.
func Short(v any) string {
	b := Compact(v)
	if len(b) > 160 {
		return string(b[:160]) + "…"
	}
	return string(b)
}

// Compact is JSON without the escapes that are meant for HTML.
func Compact(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(b.Bytes())
}

// Indent is a value over several lines.
func Indent(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

// DiffLines shows both texts as one, with - before lines only wanted and + before lines only got.
func DiffLines(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	const most = 2000
	if len(g) > most || len(w) > most {
		return fmt.Sprintf("got %d lines, want %d lines; the first got are\n%s", len(g), len(w), Clip([]byte(got)))
	}
	// The longest common subsequence, from the end.
	common := make([][]int, len(w)+1)
	for i := range common {
		common[i] = make([]int, len(g)+1)
	}
	for i := len(w) - 1; i >= 0; i-- {
		for j := len(g) - 1; j >= 0; j-- {
			if w[i] == g[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var b strings.Builder
	b.WriteString("--- want, +++ got\n")
	i, j := 0, 0
	for i < len(w) || j < len(g) {
		switch {
		case i < len(w) && j < len(g) && w[i] == g[j]:
			b.WriteString("  " + w[i] + "\n")
			i++
			j++
		case j == len(g) || i < len(w) && common[i+1][j] >= common[i][j+1]:
			b.WriteString("- " + w[i] + "\n")
			i++
		default:
			b.WriteString("+ " + g[j] + "\n")
			j++
		}
	}
	return b.String()
}

// Prefixed puts a heading over a difference, if there is one.
func Prefixed(what, diff string) string {
	if diff == "" {
		return ""
	}
	return what + ":\n" + diff
}

// Clip shortens what is shown of a body.
func Clip(b []byte) string {
	const most = 2000
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}

// SortedKeys are the keys of a map in order.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
