//go:build linux

package faultmatrix

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../docs/faults.md"

// soakHeading begins the part of the page that a soak writes.
const soakHeading = "\n## The soak\n"

// publish writes the page, or holds it against what ran.
func publish(t *testing.T, lines []*line) {
	text, err := os.ReadFile(page)
	if !*update || !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	have, figures, _ := strings.Cut(string(text), soakHeading)
	want := render(lines)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want+soakHeading+figures), 0o666))
		return
	}
	if have == want {
		return
	}
	old, now := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(old), len(now)) {
		a, b := at(old, i), at(now, i)
		if a != b {
			t.Fatalf("docs/faults.md, line %d, is not what ran; if it ought to be, run go test ./internal/faultmatrix -update\npage: %s\nran:  %s", i+1, a, b)
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// render makes the page.
func render(lines []*line) string {
	cells := 0
	for _, l := range lines {
		for _, c := range l.cells {
			if !c.none() {
				cells++
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, head, cells, len(dialects))
	b.WriteString("| # | Fault | Asked for | Sent again | May do better |")
	for _, d := range dialects {
		b.WriteString(" " + d.name + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", 5+len(dialects)) + "\n")
	row, fault := "", ""
	for _, l := range lines {
		if l.row.number != row {
			row, fault = l.row.number, ""
			fmt.Fprintf(&b, "| **%s** | **%s** |%s\n", row, l.row.expected, strings.Repeat(" |", 3+len(dialects)))
		}
		name := ""
		if l.fault.name != fault {
			fault = l.fault.name
			name = fault
		}
		fmt.Fprintf(&b, "| | %s | %s | %s | %s |", name, l.way, l.each(want.sentAgain), l.each(want.next))
		for _, c := range l.cells {
			b.WriteString(" " + c.text + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString(foot)
	return b.String()
}

func (c *cell) want() want { return c.fault.expect(c.dialect, c.way) }

func (c *cell) none() bool { return c.want().none }

// each is what the cells of a line have in common, or all that they have.
func (l *line) each(of func(want) string) string {
	var list []string
	for _, c := range l.cells {
		if text := of(c.want()); !c.none() && text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, " / ")
}

// sentAgain is what becomes of the call by itself.
func (w want) sentAgain() string {
	switch {
	case w.kind == "":
		return ""
	case w.tooLong:
		return "no: the wait is returned"
	case w.wait > 0:
		return "after the wait"
	}
	return w.again.String()
}

const head = `# The fault matrix

Each fault of the [contract](contract.md), over real sockets, in each dialect: %d cells in %d dialects. The page is written by the
test that runs them, and the test fails if it is not what ran:

    go test ./internal/faultmatrix                           all of it; less than a minute
    go test ./internal/faultmatrix -run TestFaultMatrix/39   one row
    go test ./internal/faultmatrix -update                   write this page

The hosts are servers of package [llmtest](../llmtest), which has every fault below for tests of applications too. The client is the
library as it is; its transport is its own, but for faults that no server can do by itself (rows 1 to 4).

## How to read it

A bold line is a row of the contract: its number, and what it expects. Below it stands each way to bring the fault about.

- **Asked for**: the whole answer (unary) or a stream, and where the fault strikes. For a stream, before the first content nothing has
  been delivered; after it some has. For a whole answer nothing ever has, when it fails.
- **Sent again**: whether the call is sent again by itself, within its budget of attempts. *once*: one more time, whatever the budget
  is. *after the wait*: after what the host asked for. Where it says so, the call was made twice: against a host that keeps failing,
  for the error, and against one that fails once, when the same call must succeed at the second try.
- **May do better**: who is worth trying after the error, by its scope. For each cell in which no content had arrived, TestFailover
  makes the call over a [router](../router) with a second deployment: it must be asked at once, and answer, where another route or
  key may do better, and must not be asked where it says no.
- **A cell**: *ok*, with the number of tries if there were more than one and the codes of warnings; or the error's kind and scope, the
  wait that the host asked for, and *partial* if the error has what had arrived.

## What is checked in each cell

- The call returns within its clocks, or a bound of some seconds where there is none. (That clocks fire on time is
  [checked](contract.md) elsewhere, to 50 ms.)
- The error is an ` + "`*llm.Error`" + ` with the cell's kind and scope, whether a retry may help, the HTTP status, the host's request id where
  headers came, and each attempt with its error. The host saw as many requests, or connections, as there are attempts.
- The canaries in key and prompt are in no form of the error (` + "`%%v %%+v %%#v %%s %%q`" + `), nor in what callbacks are given, nor in what slog writes of it
  as JSON, base64 included; the key is not in the error's body either. Some of the hosts repeat both.
- The end is told once: by one of OnSuccess and OnFailure, and by the stream, which then says the same again.
- The error of a stream has the partial answer after the first content, and none before it.
- Within a second the host sees no connection in use, and at most one kept for the next call. Within a second after all cells of a
  fault, this process has no more goroutines and descriptors than before.
- Where memory is at stake (headers, lines, bodies, streams, bombs, depth), the heap of both sides together grows by less than 192 MB.

## The matrix

`

const foot = `
A dash is a dialect that has no room for the fault: which tool call a delta belongs to is a matter of chat completions alone, and
Anthropic and Bedrock do not say how long to wait in the body. *as sent*: of these dialects only Responses numbers its events, so that
doubled or swapped ones can be told from text that the model wrote. *an empty turn*: Anthropic and OpenAI's Responses may end a turn without
words. What an error inside a 200 carries is what the dialect has: OpenAI's shape a type, Anthropic's, Gemini's and Bedrock's exceptions a
status, and Bedrock's bodies nothing.

Not in the table:

- Ollama's JSON lines: the library speaks to Ollama by its OpenAI-compatible API, which is the last column's dialect. There is no dialect of
  JSON lines here.
- Row 46 (flapping, brown-out, all dead, recovery), and of row 48 the frozen store and 429 on all keys: they are about routing, and the tests of
  [router](../router) hold them.
- Of row 48, a clock that jumps cannot be had without setting the machine's. The library measures limits and waits by differences of
  readings that carry the monotonic clock (` + "`time.Since`, `time.Until`" + ` of an instant made by adding to ` + "`time.Now`" + `), which a jump does not change;
  that they are right is tested on synctest's clock. The one wall-clock time that it computes with is the host's, a date in Retry-After:
  a host that is a day behind is in the table, and a wait that is too long is returned instead of waited for.
`
