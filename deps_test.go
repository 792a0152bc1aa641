package llm_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/llm-go/llm/internal/deptest"
)

// What the root package may need beside the standard library. Every program that uses this library carries it.
var rootImports = map[string]string{
	deptest.Module + "/internal/jsonx": "reads and writes known JSON shapes in one pass",
	deptest.Module + "/stream":         "classifies framing errors; holds nothing but framing",
	"github.com/tidwall/gjson":         "walks JSON of unknown shape",
	"github.com/tidwall/match":         "needed by gjson",
	"github.com/tidwall/pretty":        "needed by gjson",
	"github.com/cenkalti/backoff/v4":   "spaces retries",
	"golang.org/x/sync/...":            "bounds parallel tool calls",
}

// providerImports are what some providers need beside the root package's closure: the dialect that they borrow,
// and signers.
var providerImports = map[string]map[string]string{
	"compat": {deptest.Module + "/providers/openai": "its hosts speak OpenAI's dialect"},
	"bedrock": {
		deptest.Module + "/providers/anthropic": "Claude's own fields inside Converse",
		"github.com/aws/aws-sdk-go-v2/...":      "signs requests (SigV4) and frames event streams",
		"github.com/aws/smithy-go/...":          "needed by aws-sdk-go-v2",
	},
}

func TestImportsOfRoot(t *testing.T) {
	deptest.AssertImports(t, deptest.Module, rootImports)
	deptest.AssertNoImports(t, deptest.Module, map[string]string{
		deptest.Module + "/providers/...":     "a program carries only the providers that it imports",
		deptest.Module + "/llmtest/...":       "test servers do not belong into programs",
		deptest.Module + "/models/...":        "only programs that import the catalogue carry it",
		"github.com/google/jsonschema-go/...": "compiles expressions and reads the environment at start-up; package schema links it in",
		"testing":                             "registers flags in every program",
		"net/http/httptest":                   "registers flags in every program",
		"net/http/pprof":                      "registers handlers in every program",
		"expvar":                              "registers handlers in every program",
		"plugin":                              "loads code",
		"os/exec":                             "starts programs",
	})
}

func TestImportsOfStream(t *testing.T) {
	deptest.AssertImports(t, deptest.Module+"/stream", map[string]string{})
}

// A request is counted without what a tokeniser needs; that is contrib/tiktoken.
func TestImportsOfTokens(t *testing.T) {
	allowed := maps.Clone(rootImports)
	allowed[deptest.Module] = "requests are what it counts"
	allowed[deptest.Module+"/internal/textclass"] = "sorts bytes; shared with the fit in contrib/tiktoken"
	deptest.AssertImports(t, deptest.Module+"/tokens", allowed)
	deptest.AssertImports(t, deptest.Module+"/internal/textclass", map[string]string{})
}

// Prices and counts, and no store or meter: those are given to it.
func TestImportsOfCost(t *testing.T) {
	allowed := maps.Clone(rootImports)
	allowed[deptest.Module] = "answers are what it prices"
	allowed[deptest.Module+"/models/..."] = "has the prices"
	allowed[deptest.Module+"/tokens"] = "counts requests before they are sent"
	allowed[deptest.Module+"/internal/textclass"] = "needed by tokens"
	deptest.AssertImports(t, deptest.Module+"/cost", allowed)
}

func TestImportsOfInternal(t *testing.T) {
	for _, pkg := range deptest.Packages(t, deptest.Module+"/internal/...") {
		if pkg == deptest.Module+"/internal/readme" { // a program of this repository
			continue
		}
		deptest.AssertNoImports(t, pkg, map[string]string{
			deptest.Module + "/providers/...": "internal packages are shared by providers, so they know none",
		})
	}
}

func TestImportsOfProviders(t *testing.T) {
	base := maps.Clone(rootImports)
	base[deptest.Module] = "the contract that a provider fulfils"
	base[deptest.Module+"/internal/..."] = "tools shared by providers"
	for _, pkg := range deptest.Packages(t, deptest.Module+"/providers/...") {
		name := strings.TrimPrefix(pkg, deptest.Module+"/providers/")
		switch name {
		case "all", "providertest": // imports every provider; a kit for tests, which imports testing and testify
			continue
		}
		allowed := maps.Clone(base)
		maps.Copy(allowed, providerImports[name])
		deptest.AssertImports(t, pkg, allowed)
		deptest.AssertNoImports(t, pkg, map[string]string{
			"testing":           "registers flags in every program",
			"net/http/httptest": "registers flags in every program",
		})
	}
}

func TestImportsOfModels(t *testing.T) {
	allowed := maps.Clone(rootImports)
	allowed[deptest.Module] = "the call that a model is looked up for, and names without a provider"
	allowed[deptest.Module+"/models/internal/decimal"] = "reads prices exactly"
	deptest.AssertImports(t, deptest.Module+"/models", allowed)
	deptest.AssertNoImports(t, deptest.Module+"/models", map[string]string{
		deptest.Module + "/models/internal/gen": "a program of this repository",
		"testing":                               "registers flags in every program",
		"net/http/httptest":                     "registers flags in every program",
	})
}

func TestImportsOfTestKits(t *testing.T) {
	kits := append(deptest.Packages(t, deptest.Module+"/llmtest/..."), deptest.Module+"/providers/providertest", deptest.Module+"/router/storetest", deptest.Module+"/cost/storetest")
	for _, pkg := range kits {
		deptest.AssertNoImports(t, pkg, map[string]string{
			deptest.Module + "/providers/openai/...":    kitsKnowNone,
			deptest.Module + "/providers/anthropic/...": kitsKnowNone,
			deptest.Module + "/providers/gemini/...":    kitsKnowNone,
			deptest.Module + "/providers/bedrock/...":   kitsKnowNone,
			deptest.Module + "/providers/compat/...":    kitsKnowNone,
			deptest.Module + "/providers/all/...":       kitsKnowNone,
		})
	}
}

// An application's tests carry what the application carries, and no more.
func TestImportsOfLLMTest(t *testing.T) {
	allowed := maps.Clone(rootImports)
	allowed[deptest.Module] = "what is asked for and answered"
	allowed[deptest.Module+"/internal/casefile"] = "the files of recordings"
	deptest.AssertImports(t, deptest.Module+"/llmtest", allowed)
}

// A router is in every program that uses one: the root package's closure, and an estimate of tokens.
func TestImportsOfRouter(t *testing.T) {
	allowed := maps.Clone(rootImports)
	allowed[deptest.Module] = "whose calls are routed"
	allowed[deptest.Module+"/tokens"] = "what is reserved of limits"
	allowed[deptest.Module+"/internal/textclass"] = "needed by tokens"
	deptest.AssertImports(t, deptest.Module+"/router", allowed)
}

// A simulation is a program's own what-if: it needs the router, and no provider, network server or test framework.
func TestImportsOfSimulator(t *testing.T) {
	allowed := maps.Clone(rootImports)
	allowed[deptest.Module] = "calls go through a real client"
	allowed[deptest.Module+"/router"] = "what is simulated"
	allowed[deptest.Module+"/tokens"] = "what a router reserves of limits"
	allowed[deptest.Module+"/internal/textclass"] = "needed by tokens"
	deptest.AssertImports(t, deptest.Module+"/router/sim", allowed)
	deptest.AssertNoImports(t, deptest.Module+"/router/sim", map[string]string{
		"testing":           "registers flags in every program",
		"net/http/httptest": "registers flags in every program",
	})
}

const kitsKnowNone = "a kit that shares code with what it checks shares its mistakes"

// Modules under contrib/ have the heavy dependencies, so that nobody carries them who does not ask for them.
func TestImportsOfContrib(t *testing.T) {
	for _, pkg := range deptest.Packages(t, deptest.Module+"/...") {
		if strings.HasPrefix(pkg, deptest.Module+"/contrib/") {
			deptest.AssertNoImports(t, pkg, map[string]string{
				deptest.Module + "/providers/...": "a program carries only the providers that it imports",
				"testing":                         "registers flags in every program",
			})
			continue
		}
		deptest.AssertNoImports(t, pkg, map[string]string{
			deptest.Module + "/contrib/...": "a module of its own, with dependencies that the root module does not have",
		})
	}
}

func TestNoUnsafe(t *testing.T) {
	for _, pkg := range deptest.Packages(t, deptest.Module+"/...") {
		deptest.AssertNoDirectImports(t, pkg, map[string]string{
			"unsafe": "speed comes from doing less, not from going around the type system",
			"C":      "the library cross-compiles",
			"plugin": "loads code",
		})
	}
}
