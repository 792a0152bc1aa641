package openai

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/providertest"
	"github.com/stretchr/testify/require"
)

// A host that has chat completions alone answers Responses by the library's bridge.
func TestResponsesOverChat(t *testing.T) {
	providertest.Run(t, New(Host{Name: "chatty", BaseURL: "https://chatty.test/v1", KeyEnv: []string{"CHATTY_API_KEY"}, Ops: "completion",
		Quirks: Quirks{Accept: "developer"}}), "testdata/over_chat")
}

// Where events are numbered, one that comes twice is read once, and one that comes late is an error. Numbers that mean
// nothing lose nothing.
func TestEventsOutOfPlace(t *testing.T) {
	type event struct {
		number int
		delta  string // "": the last event
	}
	for name, tt := range map[string]struct {
		events []event
		want   string // "": an error
		warned int
	}{
		"in order":      {[]event{{1, "a "}, {2, "b "}, {3, "b "}, {4, "c."}, {5, ""}}, "a b b c.", 0},
		"twice":         {[]event{{1, "a "}, {1, "a "}, {2, "b "}, {3, "c."}, {3, "c."}, {4, ""}}, "a b c.", 1},
		"late":          {[]event{{1, "a "}, {3, "c."}, {2, "b "}, {4, ""}}, "", 0},
		"no numbers":    {[]event{{0, "a "}, {0, "a "}, {0, ""}}, "a a ", 0},
		"one number":    {[]event{{7, "a "}, {7, "b "}, {7, ""}}, "a b ", 0},
		"gaps":          {[]event{{1, "a "}, {3, "b "}, {5, "c."}, {9, ""}}, "a b c.", 0},
		"begun anew":    {[]event{{1, "a "}, {2, "b "}, {1, "c."}, {2, ""}}, "a b c.", 0},
		"anew at a gap": {[]event{{1, "a "}, {3, "b "}, {4, "b "}, {2, "c."}, {3, ""}}, "a b b c.", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var body strings.Builder
			for _, e := range tt.events {
				if e.delta != "" {
					fmt.Fprintf(&body, `data: {"type":"response.output_text.delta","item_id":"m","sequence_number":%d,"delta":%q}`+"\n\n", e.number, e.delta)
				} else {
					fmt.Fprintf(&body, `data: {"type":"response.completed","sequence_number":%d,"response":{"id":"r","status":"completed","output":[]}}`+"\n\n", e.number)
				}
			}
			opts := append(canned(Quirks{}, "text/event-stream", body.String()),
				llm.WithProvider(New(Host{Name: "openai", BaseURL: "https://host.test/v1", Ops: "responses"})))
			s, err := llm.ResponsesStream(t.Context(), &llm.ResponsesRequest{Model: "openai/m", Input: []llm.ResponsesItem{llm.InputText("Hi")}}, opts...)
			require.NoError(t, err)
			text := ""
			for c, e := range s.All() {
				if err = e; err == nil {
					text += c.Delta
				}
			}
			require.Len(t, s.Meta().Warnings, tt.warned)
			if tt.want == "" {
				require.ErrorIs(t, err, llm.ErrProtocol)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, text)
		})
	}
}
