package textclass_test

import (
	"testing"

	"github.com/llm-go/llm/internal/textclass"
	"github.com/stretchr/testify/require"
)

func states(text string) (list []int) {
	state := 0
	for i := range len(text) {
		state = textclass.Next(state, textclass.Of[text[i]])
		list = append(list, state)
	}
	return list
}

func last(text string) int { s := states(text); return s[len(s)-1] }

func TestNextStaysWithinTheTable(t *testing.T) {
	for state := range textclass.States {
		for class := range uint8(textclass.Classes) {
			next := textclass.Next(state, class)
			require.True(t, 0 <= next && next < textclass.States, "%d, %d: %d", state, class, next)
		}
	}
}

func TestScriptsHaveStatesOfTheirOwn(t *testing.T) {
	seen := map[int]string{}
	for _, text := range []string{"a", "é", "A", "1", " ", "\n", ".", "ж", "γ", "ש", "ع", "क", "ก", "த", "‐", "→", "あ", "、", "你", "가", "！", "🚀", "\x00"} {
		state := last(text)
		require.Empty(t, seen[state], "%q", text)
		seen[state] = text
	}
	require.NotEqual(t, last("a"), last("abc"))
	require.Equal(t, last("abcdefghijkl"), last("abcdefghijklmno"), "from some length on, more makes no difference")
	require.Equal(t, last("1"), last("1234"), "digits go in threes")
}
