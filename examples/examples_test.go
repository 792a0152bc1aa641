// Package examples holds programs to read and to run; its test runs them all.
package examples

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// want is what each example prints when it talks to the stand-in.
var want = map[string]struct {
	args  []string
	stdin string
	out   []string
}{
	"quickstart":      {args: []string{"-model", "llmtest"}, out: []string{"what is a goroutine?\nA goroutine is a function", "stand-in, ", " tokens in, "}},
	"chat":            {args: []string{"-model", "llmtest"}, stdin: "Hello there\n\n/new\nAgain\n/quit\n", out: []string{"Hello there", "Again", " tokens in, "}},
	"tools":           {args: []string{"-model", "llmtest"}, out: []string{`calls weather({"city":"Bern"})`, "No: the sky", "2 rounds"}},
	"structured":      {args: []string{"-model", "llmtest"}, out: []string{"Pancakes, 25 minutes", " 200 g flour", "3. Fry."}},
	"vision":          {args: []string{"-model", "llmtest"}, out: []string{"flag of Switzerland"}},
	"responses":       {args: []string{"-model", "llmtest"}, out: []string{"Paris.\nAbout two million"}},
	"custom-provider": {out: []string{"Polly wants a cracker! Polly wants a cracker!\nPolly wants a cracker"}},
}

func TestExamplesRun(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./...")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		if _, err := os.Stat(filepath.Join(name, "main.go")); err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			require.True(t, ok, "say in this test what %s prints", name)
			exe := filepath.Join(dir, name)
			if runtime.GOOS == "windows" {
				exe += ".exe"
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, w.args...)
			cmd.Stdin = strings.NewReader(w.stdin)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			for _, text := range w.out {
				require.Contains(t, string(out), text)
			}
		})
	}
}

// The claim of the custom provider's comment.
func TestCustomProviderIsShort(t *testing.T) {
	src, err := os.ReadFile("custom-provider/provider.go")
	require.NoError(t, err)
	require.Less(t, bytes.Count(src, []byte("\n")), 62)
	value := src[bytes.Index(src, []byte("var parrot")):]
	require.Less(t, bytes.Count(value, []byte("\n")), 60)
}
