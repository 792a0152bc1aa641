package cache_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// An answer is stored as JSON: no field of any answer may get lost on the way there and back.
func TestEveryFieldOfAnswersIsStored(t *testing.T) {
	// A place in a list is said by the list, and these have few values, of which the changed one is none.
	exempt := regexp.MustCompile(`(Calls\[0\]\.Index|FinishReason|\.Source) `)
	for _, resp := range []any{new(llm.CompletionResponse), new(llm.ResponsesResponse), new(llm.TextCompletionResponse), new(llm.EmbeddingResponse),
		new(llm.TranscriptionResponse), new(llm.ModerationResponse), new(llm.SpeechResponse), new(llm.CountTokensResponse),
		new(llm.ModelsResponse), new(llm.ImageResponse)} {
		t.Run(fmt.Sprintf("%T", resp), func(t *testing.T) {
			v := reflect.ValueOf(resp).Elem()
			for i := range v.NumField() {
				if v.Type().Field(i).Name != "Meta" {
					fill(t, v.Field(i), 0)
				}
			}
			switch r := resp.(type) { // what excludes something else
			case *llm.CompletionResponse:
				m := &r.Choices[0].Message
				m.ToolCalls[0].Custom, m.IncompleteToolCalls[0].Custom = nil, nil
			case *llm.TranscriptionResponse:
				r.Segments[0].Speaker = ""
			}
			if usage := v.FieldByName("Usage"); usage.IsValid() {
				usage.Interface().(*llm.Usage).Cost = "1" // it must be a number
			}
			stored := func() string {
				b, err := json.Marshal(resp)
				if err != nil {
					return err.Error()
				}
				fresh := reflect.New(reflect.TypeOf(resp).Elem()).Interface()
				if err := json.Unmarshal(b, fresh); err != nil {
					return err.Error()
				}
				b, err = json.Marshal(fresh)
				require.NoError(t, err)
				return string(b)
			}
			base := stored()
			require.Equal(t, byte('{'), base[0], base)
			for i := range v.NumField() {
				if v.Type().Field(i).Name == "Meta" {
					continue
				}
				flip(v.Field(i), v.Type().Field(i).Name, func(path string) {
					if !exempt.MatchString(path+" ") && stored() == base {
						t.Errorf("%s is not stored", path)
					}
				})
			}
		})
	}
}
