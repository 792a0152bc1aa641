// Bench compares ways of calling a model: raw net/http as the floor, net/http with encoding/json, other Go libraries,
// and this one. All get the same jobs from a fake upstream in a process of its own, and again without sockets.
//
//	go run . -out ../docs      # everything, and docs/performance.md and .svg
//	go run . -quick            # a look, in a minute
//	go test -bench . -run '^$' # the same cases as Go benchmarks
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// memoryURL is the upstream that is not there: the memory transport answers.
const memoryURL = "http://127.0.0.1:1"

type options struct {
	out            string
	cases, clients *regexp.Regexp
	rounds         int
	quick          bool
	batch          time.Duration
	streams        int
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] { // the program runs itself for these
		case "serve":
			return serve()
		case "streams":
			return streamsMain(args[1:])
		}
	}
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()

	cts := []Contestant{contestants[0]}
	for _, ct := range contestants[1:] {
		if o.clients.MatchString(ct.Name) {
			cts = append(cts, ct)
		}
	}
	url, stopServer, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer stopServer()

	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		var load float64
		if fmt.Sscan(string(b), &load); load > 0.5 {
			fmt.Printf("load average %.2f: on a busy machine the floor suffers most, and ratios come out too low\n", load)
		}
	}
	began := time.Now()
	rep := &report{Contestants: cts, Options: o, Date: began}
	for _, socket := range []bool{true, false} {
		where, from, rt := "tcp", url, func() http.RoundTripper { return newTransport() }
		if !socket {
			where, from, rt = "memory", memoryURL, func() http.RoundTripper { return &memory{} }
		}
		for _, c := range cases() {
			if !o.cases.MatchString(c.Name) || !socket && (c.First || c.Parallel > 0) {
				continue
			}
			w, err := measure(ctx, c, cts, from, rt, o)
			if err != nil {
				return err
			}
			rep.Rows = append(rep.Rows, w)
			fmt.Printf("%4.0fs  %-6s  %-16s  %s\n", time.Since(began).Seconds(), where, c.Name, w.line(cts))
		}
	}
	if o.cases.MatchString("open-streams") {
		for _, ct := range cts {
			s := measureStreams(ctx, ct.Name, o.streams)
			rep.Streams = append(rep.Streams, s)
			fmt.Printf("%4.0fs  %-6s  %-16s  %s\n", time.Since(began).Seconds(), "tcp", "open-streams", s.line())
		}
	}
	if o.cases.MatchString("hello") {
		if rep.Hello, err = measureHello(ctx, url); err != nil {
			return err
		}
		for _, h := range rep.Hello {
			fmt.Printf("%4.0fs  %-6s  %-16s  %s: %.2f MB, init %v\n", time.Since(began).Seconds(), "build", "hello", h.Name, float64(h.Size)/1e6, h.Init)
		}
	}
	if o.cases.MatchString("routing") {
		if rep.Routes, err = measureRoutes(o.rounds, o.batch); err != nil {
			return err
		}
		for _, r := range rep.Routes {
			fmt.Printf("%4.0fs  %-6s  %-16s  %s over %d: %s and %s allocations a call\n", time.Since(began).Seconds(), "memory", "routing", r.Case, r.N, duration(r.Added.CPU), count(r.Added.Allocs))
		}
	}
	for _, g := range rep.goals() {
		fmt.Println(g.line())
	}
	if o.out == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(o.out, "performance.svg"), []byte(rep.svg()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "performance.md"), []byte(rep.markdown()), 0o644)
}

func parseFlags(args []string) (*options, error) {
	o := &options{batch: 100 * time.Millisecond, rounds: 9, streams: 10000}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.out, "out", "", "write performance.md and performance.svg into this `folder`")
	expr := func(name, usage string) *string { return fs.String(name, "", usage) }
	cs, cl := expr("cases", "only the cases that match this `regexp`; also: open-streams, hello"), expr("clients", "only the contestants that match this `regexp`, and the floor")
	rounds := fs.Int("rounds", 0, "rounds of each case (9; 3 when quick)")
	fs.BoolVar(&o.quick, "quick", false, "short batches, three rounds, 1,000 open streams")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("what is %q?", strings.Join(fs.Args(), " "))
	}
	if o.quick {
		o.batch, o.rounds, o.streams = 15*time.Millisecond, 3, 1000
	}
	if *rounds > 0 {
		o.rounds = *rounds
	}
	var err, err2 error
	o.cases, err = regexp.Compile(*cs)
	o.clients, err2 = regexp.Compile(*cl)
	return o, errors.Join(err, err2)
}
