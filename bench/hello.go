package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hello is a program that makes one chat call, built as one would ship it.
type hello struct {
	Name string
	Size int64         // bytes
	Init time.Duration // of the packages that the floor's program does not have
	Pkgs int           // how many of those have work to do before main
}

var initLine = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, (\S+) ms clock`)

// measureHello builds hello/floor and, where this library takes part, hello/llm, and runs them against the upstream.
func measureHello(ctx context.Context, url string) ([]hello, error) {
	dir, err := os.MkdirTemp("", "hello")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var out []hello
	known := map[string]bool{}
	names := []string{"floor"}
	if slices.ContainsFunc(contestants, func(c Contestant) bool { return c.Name == libraryName }) {
		names = append(names, libraryName)
	}
	for _, name := range names {
		bin := filepath.Join(dir, name+".exe")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./hello/"+name)
		if b, err := build.CombinedOutput(); err != nil {
			return out, fmt.Errorf("hello/%s: %w: %s", name, err, b)
		}
		info, err := os.Stat(bin)
		if err != nil {
			return out, err
		}
		h := hello{Name: name, Size: info.Size()}
		var sums []float64
		for range 7 {
			cmd := exec.CommandContext(ctx, bin, url+"/chat-1k")
			cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Run(); err != nil {
				return out, fmt.Errorf("hello/%s: %w: %s", name, err, stderr.String())
			}
			sum, pkgs := 0.0, 0
			for _, m := range initLine.FindAllStringSubmatch(stderr.String(), -1) {
				if name == "floor" {
					known[m[1]] = true
				} else if known[m[1]] {
					continue
				}
				ms, _ := strconv.ParseFloat(m[2], 64)
				sum += ms * float64(time.Millisecond)
				pkgs++
			}
			sums, h.Pkgs = append(sums, sum), pkgs
		}
		h.Init = time.Duration(median(sums))
		out = append(out, h)
	}
	return out, nil
}
