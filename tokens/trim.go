package tokens

import (
	"fmt"

	"github.com/llm-go/llm"
)

// TrimOptions changes how [Trim] counts. The zero value counts by the rules of the request's model.
type TrimOptions struct {
	// Counter counts instead of that for the request's model.
	Counter *Counter
	// ByHigh compares the high bound instead of the best guess, so that what is left certainly fits, as far as
	// [Count.Unsized] allows; it keeps some three times less.
	ByHigh bool
}

// Trimmed tells what [Trim] did.
type Trimmed struct {
	// Dropped are the positions, in the given request's Messages, of those that are left out.
	Dropped []int
	// Orphans of those had to go although there was room: tool calls without all of their results, and results without
	// their call. Providers refuse both.
	Orphans int
	// Before and After count the request as given and as returned.
	Before, After Count
}

// Trim leaves out the oldest turns of a conversation until its input has at most limit tokens. The request is not
// written to; the one returned has a list of messages of its own.
//
// System and developer messages stay, where they are. Tool calls and their results stay or go together. The oldest
// turns, each a user message and all that answers it, go first; within the last turn, the oldest rounds of tool calls
// and answers. So what is left still begins with a user message, if there is one, and ends as the request did. Trimming
// again changes nothing.
//
// When what must stay (system messages, tools, the last user message and the last round) does not fit, the error is
// an [llm.ErrContextWindow] that says how much it is.
func Trim(req *llm.CompletionRequest, limit int, opts TrimOptions) (*llm.CompletionRequest, Trimmed, error) {
	if req == nil {
		return nil, Trimmed{}, llm.InvalidRequest("request", "the request is nil")
	}
	counter := opts.Counter
	if counter == nil {
		c := For(req.Model)
		counter = &c
	}
	t := trimmer{counts: make([]Count, len(req.Messages)), keep: make([]bool, len(req.Messages)), byHigh: opts.ByHigh}
	empty := *req
	empty.Messages = nil
	t.sum = counter.Request(&empty)
	before := t.sum
	for i := range req.Messages {
		counter.message(&t.counts[i], &req.Messages[i])
		before = plus(before, t.counts[i], 1)
	}
	report := Trimmed{Before: before}
	t.group(req.Messages)
	for i := range req.Messages {
		if !t.keep[i] {
			report.Orphans++
		}
	}
	must := t.fit(limit)
	out := *req
	out.Messages = make([]llm.Message, 0, len(req.Messages))
	for i := range req.Messages {
		if t.keep[i] {
			out.Messages = append(out.Messages, req.Messages[i])
		} else {
			report.Dropped = append(report.Dropped, i)
		}
	}
	report.After = t.sum
	if must > limit {
		return nil, report, &llm.Error{Kind: llm.ErrContextWindow, Scope: llm.ScopeRequest, Param: "messages", Message: fmt.Sprintf(
			"what must stay of the request (system messages, tools, the last user message and the last round) has about %d "+
				"tokens, more than the %d allowed; shorten it, or allow more", must, limit)}
	}
	return &out, report, nil
}

// Fits says whether a request's input, by best guess, and the answer that it allows (MaxTokens) fit into a window of so
// many tokens. For certainty compare [Count.High] instead.
func Fits(req *llm.CompletionRequest, window int) bool {
	return Request(req).Tokens+req.MaxTokens <= window
}

// trimmer has what Trim knows of a conversation.
type trimmer struct {
	counts []Count // of each message
	keep   []bool
	rounds []round
	sum    Count
	byHigh bool
}

// round is what stays or goes together, in order: a message, or an assistant's with tool calls and the results.
type round struct {
	messages []int
	user     bool
}

func (t *trimmer) size() int {
	if t.byHigh {
		return t.sum.High
	}
	return t.sum.Tokens
}

// group keeps all that is whole, and finds the rounds.
func (t *trimmer) group(messages []llm.Message) {
	add := func(i int) {
		t.keep[i] = true
		t.sum = plus(t.sum, t.counts[i], 1)
	}
	for i := 0; i < len(messages); {
		m := &messages[i]
		switch {
		case m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper:
			add(i)
			i++
		case m.Role == llm.RoleTool: // its call is not right before it
			i++
		case m.Role == llm.RoleAssistant && len(m.ToolCalls) > 0:
			r, next, whole := results(messages, i)
			if whole {
				for _, k := range r.messages {
					add(k)
				}
				t.rounds = append(t.rounds, r)
			}
			i = next
		default:
			add(i)
			t.rounds = append(t.rounds, round{messages: []int{i}, user: m.Role == llm.RoleUser})
			i++
		}
	}
}

// results finds the results of the tool calls at position i, and where the next round begins. whole is false if a call
// has none. A result for no call, or a second one for the same, is left out.
func results(messages []llm.Message, i int) (r round, next int, whole bool) {
	open := make(map[string]int, len(messages[i].ToolCalls))
	for _, call := range messages[i].ToolCalls {
		open[call.ID]++
	}
	r.messages = []int{i}
	for next = i + 1; next < len(messages) && messages[next].Role == llm.RoleTool; next++ {
		if id := messages[next].ToolCallID; open[id] > 0 {
			open[id]--
			r.messages = append(r.messages, next)
		}
	}
	for _, n := range open {
		if n > 0 {
			return r, next, false
		}
	}
	return r, next, true
}

// fit drops rounds, oldest first, until the size is at most limit. It returns the size that is left.
func (t *trimmer) fit(limit int) int {
	drop := func(r round) {
		for _, i := range r.messages {
			t.keep[i] = false
			t.sum = plus(t.sum, t.counts[i], -1)
		}
	}
	// The last turn begins at the last user message. Whole turns before it go first.
	last := 0
	for k, r := range t.rounds {
		if r.user {
			last = k
		}
	}
	k := 0
	for k < last && t.size() > limit {
		drop(t.rounds[k])
		for k++; k < last && !t.rounds[k].user; k++ {
			drop(t.rounds[k])
		}
	}
	if k < last || len(t.rounds) == 0 {
		return t.size()
	}
	if t.rounds[last].user {
		last++
	}
	for ; last < len(t.rounds)-1 && t.size() > limit; last++ {
		drop(t.rounds[last])
	}
	return t.size()
}

// plus adds b to a, or takes it away where sign is -1.
func plus(a, b Count, sign int) Count {
	a.Tokens += sign * b.Tokens
	a.Low += sign * b.Low
	a.High += sign * b.High
	a.Unsized += sign * b.Unsized
	return a
}
