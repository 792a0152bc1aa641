package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/casefile"
)

var update = flag.Bool("update", false, "rewrite the answer sections of golden cases from what the provider makes of them; review the difference by eye")

// updateAnswer rewrites what was expected by what came. Calls, requests and canned responses are never
// touched: they are facts of the wire.
func (g *golden) updateAnswer(t *testing.T, m *mode, out *outcome) {
	set := func(name string, v any) {
		t.Logf("rewrote %s", name)
		g.archive.Set(name, []byte(indentValue(v)+"\n"))
	}
	if e, ok := errors.AsType[*llm.Error](out.err); ok {
		if len(m.responses) == 0 && m.failure == "" {
			return
		}
		name := m.failure
		if name == "" {
			name = "error.json"
			if m.streamed {
				name = "stream_error.json"
			}
		}
		w := wantError{Kind: (*string)(&e.Kind), Scope: (*string)(&e.Scope), Temporary: &e.Temporary}
		if e.Status != 0 {
			w.Status = &e.Status
		}
		if e.Code != "" {
			w.Code = &e.Code
		}
		if e.Param != "" {
			w.Param = &e.Param
		}
		if e.RetryAfter > 0 {
			w.RetryAfter = new(e.RetryAfter.String())
		}
		if e.Message != "" {
			w.MessageContains = &e.Message
		}
		set(name, w)
		if m.partial != "" {
			set(m.partial, e.Partial)
		}
	} else if out.err == nil {
		name := m.answer
		if name == "" {
			name = "answer.json"
		}
		// The stream must fold to the answer of the unary case: it gets a section of its own only by hand.
		if !m.streamed || g.unary == nil || name == "stream_answer.json" {
			set(name, json.RawMessage(out.json))
		}
		if len(out.warnings) > 0 && (!m.streamed || g.unary == nil || m.warnings == "stream_warnings.json") {
			list := []wantWarning{}
			for _, w := range out.warnings {
				list = append(list, wantWarning{w.Code, w.Param})
			}
			if name = m.warnings; name == "" {
				name = "warnings.json"
			}
			set(name, list)
		}
	}
	if err := os.WriteFile(g.path, g.archive.Format(), 0o666); err != nil {
		t.Error(err)
	}
}

// indentValue keeps the order of members as it is marshalled.
func indentValue(v any) string {
	var b bytes.Buffer
	if err := json.Indent(&b, casefile.Compact(v), "", "  "); err != nil {
		return err.Error()
	}
	return b.String()
}
