//go:build linux

package faultmatrix

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/anthropic"
	_ "github.com/llm-go/llm/providers/bedrock"
	_ "github.com/llm-go/llm/providers/compat"
	_ "github.com/llm-go/llm/providers/gemini"
	_ "github.com/llm-go/llm/providers/openai"
)

var (
	update = flag.Bool("update", false, "write docs/faults.md")
	soak   = flag.Duration("soak", 4*time.Second, "how long TestSoak runs; with -update its figures are written")
)

// What must be seen nowhere.
const (
	key    = "sk-canary-4f1d8e7a90b2c3d4"
	prompt = "the canary sings at a quarter past seven, and nobody may hear it"
)

// leaked names the canary that is in a text.
func leaked(text []byte) string {
	switch {
	case bytes.Contains(text, []byte(key[len("sk-"):])):
		return "the key"
	case bytes.Contains(text, []byte(prompt[:24])), bytes.Contains(text, []byte(prompt[len(prompt)-24:])):
		return "the prompt"
	}
	return ""
}

// logged watches what is written by slog, of which nothing is kept but the first line with a canary in it.
type logged struct {
	mu    sync.Mutex
	leak  string
	lines int
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	if what := leaked(p); what != "" && l.leak == "" {
		l.leak = fmt.Sprintf("%s is in the log: %s", what, p)
	}
	return len(p), nil
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leak
}

var log logged

func TestMain(m *testing.M) {
	// The library's own transport trusts what the system trusts: here, the test servers.
	dir, err := os.MkdirTemp("", "faultmatrix")
	if err != nil {
		panic(err)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := errors.Join(os.WriteFile(ca, llmtest.CA(), 0o600), os.Setenv("SSL_CERT_FILE", ca)); err != nil {
		panic(err)
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 8})))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// limit is a clock that is meant to fire; generous one that is not, however busy the machine is.
const (
	limit    = slow * 200 * time.Millisecond
	generous = slow * 15 * time.Second
)
