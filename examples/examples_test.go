// Package examples holds programs to read and to run; its test runs them all.
package examples

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm/llmtest"
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
	"router":          {out: []string{"✗ 503", "| east is out for", "| chat falls back to small", "| west is back", "| east is back", "GROUP"}},
	"budget":          {out: []string{"180 output $0.000288", "! warning: team of \"search\"", "refused: $0.0", "SPENT", "is reserved"}},
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

// Ctrl-C stops an answer, and the conversation goes on.
func TestChatStopsAnAnswer(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a process cannot be sent an interrupt there
	}
	srv := llmtest.NewServer(t)
	srv.Reply(llmtest.Answer{Text: strings.Repeat("and so on ", 1000), ChunkDelay: 20 * time.Millisecond}, llmtest.Text("Goodbye."))
	exe := filepath.Join(t.TempDir(), "chat")
	out, err := exec.Command("go", "build", "-o", exe, "./chat").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-model", "openai/any")
	cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+srv.BaseURL("openai"), "OPENAI_API_KEY="+llmtest.Key)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	shown := ""
	until := func(text string) {
		for buf := make([]byte, 4096); !strings.Contains(shown, text); {
			n, err := stdout.Read(buf)
			shown += string(buf[:n])
			require.NoError(t, err, "waiting for %q in %q", text, shown)
		}
	}
	io.WriteString(stdin, "Talk to me\n")
	until("and so on and")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	until("[stopped]")
	io.WriteString(stdin, "Bye\n")
	until("Goodbye.")
	io.WriteString(stdin, "/quit\n")
	require.NoError(t, cmd.Wait())
	last := srv.Requests()[1].Messages
	require.Len(t, last, 3, "what had come of the first answer is part of the conversation")
	require.Contains(t, last[1].Content.Text(), "and so on")
}

// The claim of the custom provider's comment.
func TestCustomProviderIsShort(t *testing.T) {
	src, err := os.ReadFile("custom-provider/provider.go")
	require.NoError(t, err)
	require.Less(t, bytes.Count(src, []byte("\n")), 62)
	value := src[bytes.Index(src, []byte("var parrot")):]
	require.Less(t, bytes.Count(value, []byte("\n")), 60)
}
