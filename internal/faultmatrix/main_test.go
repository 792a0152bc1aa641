//go:build linux

package faultmatrix

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

// leaked names the canary that is in a text, as it is or in base64, as JSON has bytes.
func leaked(text []byte) string {
	for canary, name := range canaries {
		if bytes.Contains(text, []byte(canary)) {
			return name
		}
	}
	return ""
}

var canaries = func() map[string]string {
	const size = 24 // a multiple of 3, which base64 makes whole
	list := make(map[string]string)
	for name, text := range map[string]string{"the key": key + "        ", "the prompt": prompt} {
		list[strings.TrimSpace(text[:size])] = name
		for at := range 3 {
			list[strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(strings.TrimSpace(text[at:at+size]))), "=")[:20]] = name
		}
	}
	return list
}()

// logged watches what is written by slog, of which nothing is kept but the first line with a canary in it.
type logged struct {
	mu    sync.Mutex
	leak  string
	lines int
	full  atomic.Int64 // while it is not 0, nothing can be written
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	if what := leaked(p); what != "" && l.leak == "" {
		l.leak = fmt.Sprintf("%s is in the log: %s", what, p)
	}
	if l.full.Load() > 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

// taken is the leak that was seen since it was last asked for.
func (l *logged) taken() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	leak := l.leak
	l.leak = ""
	return leak
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
	limit    = (1 + slow/4) * 500 * time.Millisecond
	generous = slow * 15 * time.Second
)
