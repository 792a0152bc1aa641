// Package deptest holds packages to the imports that they may have. Each rule carries its reason, which is
// shown when the rule is broken, together with the chain of imports that broke it.
package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Module is the path of the root module.
const Module = "github.com/llm-go/llm"

type listed struct {
	ImportPath string
	Imports    []string
	ImportMap  map[string]string // what an import means where it is vendored by the standard library
	Standard   bool
}

// graph is asked for once; it comes from the go command, so build constraints of this platform hold, and no
// network is needed: the test that calls it was just built from the same sources.
var graph = sync.OnceValues(func() (map[string]*listed, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,ImportMap,Standard", Module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + "\n" + stderr.String())
	}
	packages := make(map[string]*listed)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &listed{}
		if err := dec.Decode(p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
	}
})

func load(t testing.TB) map[string]*listed {
	t.Helper()
	packages, err := graph()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// Packages lists this module's packages that match a pattern such as Module+"/providers/...", sorted.
func Packages(t testing.TB, pattern string) []string {
	t.Helper()
	var list []string
	for path := range load(t) {
		if (path == Module || strings.HasPrefix(path, Module+"/")) && match(pattern, path) {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// AssertImports fails the test if pkg imports, itself or through others, a package that is neither in the
// standard library nor matched by a key of allowed. The values are the reasons. A key ending in "/..." matches
// everything below.
func AssertImports(t testing.TB, pkg string, allowed map[string]string) {
	t.Helper()
	packages := load(t)
	for path, from := range closure(t, packages, pkg) {
		if path == pkg || packages[path].Standard || matchAny(allowed, path) != "" {
			continue
		}
		t.Errorf("%s must not import %s: only the standard library and %s are allowed\n\t%s",
			pkg, path, strings.Join(slices.Sorted(maps.Keys(allowed)), ", "), chain(from, path))
	}
}

// AssertNoImports fails the test if pkg imports, itself or through others, what a key of forbidden matches.
// The values are the reasons.
func AssertNoImports(t testing.TB, pkg string, forbidden map[string]string) {
	t.Helper()
	for path, from := range closure(t, load(t), pkg) {
		if rule := matchAny(forbidden, path); path != pkg && rule != "" {
			t.Errorf("%s must not import %s: %s\n\t%s", pkg, path, forbidden[rule], chain(from, path))
		}
	}
}

// AssertNoDirectImports is [AssertNoImports] for what pkg's own files import.
func AssertNoDirectImports(t testing.TB, pkg string, forbidden map[string]string) {
	t.Helper()
	p := load(t)[pkg]
	if p == nil {
		t.Fatalf("there is no package %s", pkg)
	}
	for _, path := range p.Imports {
		if rule := matchAny(forbidden, path); rule != "" {
			t.Errorf("%s must not import %s: %s", pkg, path, forbidden[rule])
		}
	}
}

// closure maps each package that pkg needs to the chain of imports that leads to it, without itself.
func closure(t testing.TB, packages map[string]*listed, pkg string) map[string][]string {
	t.Helper()
	if packages[pkg] == nil {
		t.Fatalf("there is no package %s", pkg)
	}
	from := map[string][]string{pkg: nil}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		p := packages[queue[0]]
		for _, path := range p.Imports {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			if packages[path] == nil {
				continue // "C" is not a package
			}
			if _, seen := from[path]; !seen {
				from[path] = append(slices.Clip(from[queue[0]]), queue[0])
				queue = append(queue, path)
			}
		}
	}
	return from
}

func chain(from []string, path string) string {
	return strings.Join(append(slices.Clip(from), path), " -> ")
}

func matchAny(rules map[string]string, path string) string {
	for rule := range rules {
		if match(rule, path) {
			return rule
		}
	}
	return ""
}

func match(pattern, path string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return path == base || tree && strings.HasPrefix(path, base+"/")
}
