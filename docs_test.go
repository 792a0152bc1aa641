package llm_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-go/llm/providers/providertest"
	"github.com/stretchr/testify/require"
)

//go:generate go run ./internal/readme

// README's code is that of the examples, and its table that of the registry.
func TestReadmeIsCurrent(t *testing.T) {
	out, err := exec.Command("go", "run", "./internal/readme", "-check").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Each claim with a command beside it names tests that exist.
func TestReadmeNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	names := testNames(t)
	commands := regexp.MustCompile("`go test -run '?([^ '`]+)'? \\.`").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(commands), 4)
	for _, m := range commands {
		for pattern := range strings.SplitSeq(strings.ReplaceAll(m[1], `\|`, "|"), "|") {
			found := false
			for name, dirs := range names {
				found = found || strings.HasPrefix(name, pattern) && slices.Contains(dirs, ".")
			}
			require.True(t, found, "no test matches %s", pattern)
		}
	}
}

// Links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, more...) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)#\s]+)[^)\s]*\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			require.NoError(t, err, "%s links to %s", page, m[1])
		}
	}
}

// The worked example in CONTRIBUTING is applied to the sources as they are, and built.
func TestNewOperationInContributing(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	_, diff, found := strings.Cut(string(text), "```diff\n")
	require.True(t, found)
	diff, _, _ = strings.Cut(diff, "```")
	dir, overlay := t.TempDir(), map[string]string{}
	for part := range strings.SplitSeq(diff, "\n--- ") {
		_, rest, _ := strings.Cut(part, "+++ b/")
		name, hunks, _ := strings.Cut(rest, "\n")
		old, err := os.ReadFile(name)
		if err != nil {
			old = []byte("\n")
		}
		patched := string(old)
		for hunk := range strings.SplitSeq(hunks, "@@\n") {
			var before, after string
			for line := range strings.SplitSeq(strings.TrimSuffix(hunk, "\n"), "\n") {
				if line == "" {
					continue
				}
				if line[0] == ' ' {
					before += line[1:] + "\n"
				}
				after += line[1:] + "\n"
			}
			if before == "" {
				patched += after
				continue
			}
			require.Equal(t, 1, strings.Count(patched, before), "%s has changed; adapt CONTRIBUTING.md at\n%s", name, before)
			patched = strings.Replace(patched, before, after, 1)
		}
		path, err := filepath.Abs(name)
		require.NoError(t, err)
		overlay[path] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(overlay[path], []byte(patched), 0o600))
	}
	require.Len(t, overlay, 4)
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, b, 0o600))
	out, err := exec.Command("go", "build", "-overlay", file, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// testNames are all tests and fuzz targets of the module, with their packages' directories.
func testNames(t *testing.T) map[string][]string {
	names := make(map[string][]string)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = append(names[f.Name.Name], filepath.ToSlash(filepath.Dir(path)))
			}
		}
		return nil
	}))
	return names
}

// Each line of the contract names a test that exists, or stands under "Not yet held".
func TestContractNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("docs/contract.md")
	require.NoError(t, err)
	held, open, found := strings.Cut(string(text), "\n## Not yet held\n")
	require.True(t, found)
	names := testNames(t)
	named := regexp.MustCompile("`(?:([a-z0-9/_]+)\\.)?((?:Test|Fuzz)[A-Z]\\w*)(?:/([a-z_]+))?`")
	seen := make(map[string]bool)
	for item := range strings.SplitSeq(held, "\n- ") {
		number := regexp.MustCompile(`^\*\*([A-F][0-9]+)\*\*`).FindStringSubmatch(item)
		if number == nil {
			continue
		}
		require.False(t, seen[number[1]], "%s stands twice", number[1])
		seen[number[1]] = true
		matches := named.FindAllStringSubmatch(item, -1)
		require.NotEmpty(t, matches, "%s names no test", number[1])
		for _, m := range matches {
			dirs := names[m[2]]
			require.NotEmpty(t, dirs, "%s: there is no %s", number[1], m[2])
			if m[3] != "" {
				known := slices.ContainsFunc(providertest.Rules(), func(r providertest.Rule) bool { return r.Name == m[3] })
				require.True(t, known, "%s: there is no rule %s", number[1], m[3])
			}
			if m[1] != "" {
				require.Contains(t, dirs, m[1], "%s: %s", number[1], m[2])
			}
		}
	}
	for _, m := range regexp.MustCompile(`\*\*([A-F][0-9]+)\*\*`).FindAllStringSubmatch(open, -1) {
		seen[m[1]] = true
	}
	for section, lines := range map[string][2]int{"A": {1, 10}, "B": {11, 20}, "C": {21, 26}, "D": {27, 34}, "E": {35, 40}, "F": {41, 49}} {
		for i := lines[0]; i <= lines[1]; i++ {
			require.True(t, seen[section+itoa(i)], "the contract's line %s%d is missing", section, i)
		}
	}
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }
