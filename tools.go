package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// FuncTool is a tool that is a Go function: the definition that models see, and the code that runs.
type FuncTool struct {
	name       string
	definition Tool
	call       func(ctx context.Context, args []byte) (Content, error)
	err        error // why it cannot be used
}

// NewTool makes a tool from a function. In is a struct (or a map): the JSON Schema of the arguments is made
// from it as [CompletionAs] does. Out is what the model gets: a string as it is, a [Part] or [Content] as
// parts (such as images), anything else as JSON. An error of fn is told to the model as the tool's failure.
//
// If no schema can be made from In (it holds channels, functions or itself, or package schema is not linked in),
// [RunTools] and [FuncTool.Call] say so.
func NewTool[In, Out any](name, description string, fn func(ctx context.Context, in In) (Out, error)) *FuncTool {
	s, err := schemaFor[In]()
	if err != nil {
		return &FuncTool{name: name, definition: Tool{Type: "function", Function: &FunctionTool{Name: name, Description: description}}, err: err}
	}
	return &FuncTool{
		name:       name,
		definition: Tool{Type: "function", Function: &FunctionTool{Name: name, Description: description, Parameters: s}},
		call: func(ctx context.Context, args []byte) (Content, error) {
			text, err := s.Check(args)
			if err != nil {
				var m *SchemaMismatch
				if errors.As(err, &m) {
					return nil, errors.New("the arguments do not match the schema: " + m.Detail)
				}
				return nil, err
			}
			var in In
			if err := json.Unmarshal(text, &in); err != nil {
				return nil, errors.New("the arguments do not decode: " + err.Error())
			}
			out, err := fn(ctx, in)
			if err != nil {
				return nil, err
			}
			return toolContent(out)
		},
	}
}

func toolContent(out any) (Content, error) {
	switch v := out.(type) {
	case string:
		return Content{TextPart(v)}, nil
	case Part:
		return Content{v}, nil
	case Content:
		return v, nil
	case []Part:
		return v, nil
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("the tool's result has no JSON form: %w", err)
	}
	return Content{TextPart(string(b))}, nil
}

// Name is the tool's name.
func (t *FuncTool) Name() string { return t.name }

// Definition is what goes into a request's Tools.
func (t *FuncTool) Definition() Tool { return t.definition }

// Call runs the tool for a model's call and returns the message that answers it. Arguments that do not match
// the schema, and errors of the function, are told to the model in that message, with IsError set; err is for
// what the model cannot mend: a context that ended, or a panic.
func (t *FuncTool) Call(ctx context.Context, call ToolCall) (m Message, err error) {
	if t.err != nil {
		return Message{}, t.unusable()
	}
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Kind: ErrTool, Scope: ScopeLocal, Message: fmt.Sprintf("the tool %s panicked with a %T", t.name, r)}
		}
	}()
	content, err := t.call(ctx, []byte(call.Function.Arguments))
	if ctx.Err() != nil {
		return Message{}, contextError(ctx)
	}
	if err != nil {
		return toolFailure(call, err.Error()), nil
	}
	return Message{Role: RoleTool, ToolCallID: call.ID, Content: content}, nil
}

func (t *FuncTool) unusable() error {
	return &Error{Kind: ErrTool, Scope: ScopeLocal, Message: "the tool " + t.name + " cannot be used: " + t.err.Error(), Err: t.err}
}

func toolFailure(call ToolCall, text string) Message {
	m := ToolResult(call.ID, "Error: "+text)
	m.IsError = true
	return m
}

// ToolLoop says how [RunTools] works.
type ToolLoop struct {
	Tools []*FuncTool
	// MaxRounds bounds how often the model is asked; default 10. Exceeding it is an [ErrTool].
	MaxRounds int
	// MaxParallel bounds how many calls of one turn run at the same time; default 8, 1 is one by one.
	MaxParallel int
	// Approve, if set, is asked before each call runs. An error refuses the call, and its text is told to the
	// model. It is called from one goroutine, in the order of the calls.
	Approve func(ctx context.Context, call ToolCall) error
	// OnChunk, if set, makes the loop stream: it gets every chunk of every round.
	OnChunk func(*CompletionChunk)
	// OnMessage, if set, gets each message as it is added to the conversation.
	OnMessage func(Message)
}

// ToolRun is what [RunTools] did.
type ToolRun struct {
	// Response is the model's last answer.
	Response *CompletionResponse
	// Messages are the conversation: the request's messages and all that were added, the last answer included.
	Messages []Message
	// Rounds is how often the model was asked, Usage the sum of all rounds.
	Rounds int
	Usage  Usage
}

// RunTools asks the model, runs the tools that it calls, tells it the results, and so on until it answers
// without calling a tool. Calls whose arguments are incomplete are never run. On an error the run so far is
// returned beside it.
func RunTools(ctx context.Context, req *CompletionRequest, loop ToolLoop, opts ...Option) (*ToolRun, error) {
	client := noSettings.with(opts).client
	if client == nil {
		client = Default()
	}
	return client.RunTools(ctx, req, loop, opts...)
}

// RunTools is [RunTools] by this client.
func (c *Client) RunTools(ctx context.Context, req *CompletionRequest, loop ToolLoop, opts ...Option) (*ToolRun, error) {
	if req == nil {
		return nil, InvalidRequest("request", "the request is nil")
	}
	byName := make(map[string]*FuncTool, len(loop.Tools))
	r := *req
	r.Tools = append([]Tool(nil), req.Tools...)
	for _, t := range loop.Tools {
		if byName[t.name] != nil {
			return nil, InvalidRequest("tools", "two tools have the name "+t.name)
		}
		if t.err != nil {
			return nil, t.unusable()
		}
		byName[t.name] = t
		r.Tools = append(r.Tools, t.definition)
	}
	run := &ToolRun{Messages: append([]Message(nil), req.Messages...)}
	rounds := loop.MaxRounds
	if rounds <= 0 {
		rounds = 10
	}
	add := func(m Message) {
		run.Messages = append(run.Messages, m)
		if loop.OnMessage != nil {
			loop.OnMessage(m)
		}
	}
	for {
		r.Messages = run.Messages
		resp, err := c.round(ctx, &r, loop.OnChunk, opts)
		if err != nil {
			return run, err
		}
		run.Response, run.Rounds = resp, run.Rounds+1
		run.Usage.add(resp.Usage)
		m := *resp.Message()
		add(m)
		if len(m.ToolCalls) == 0 {
			if len(m.IncompleteToolCalls) > 0 {
				return run, &Error{Kind: ErrTool, Scope: ScopeRequest, Provider: resp.Meta.Provider, Model: resp.Meta.Model,
					Message: "the model's tool call is incomplete and was not run; if the finish reason is length, raise MaxTokens"}
			}
			return run, nil
		}
		if run.Rounds >= rounds {
			return run, &Error{Kind: ErrTool, Scope: ScopeRequest, Provider: resp.Meta.Provider, Model: resp.Meta.Model,
				Message: fmt.Sprintf("the model still calls tools after %d rounds; see ToolLoop.MaxRounds", rounds)}
		}
		results, err := loop.runCalls(ctx, byName, m.ToolCalls)
		if err != nil {
			return run, err
		}
		for _, m := range results {
			add(m)
		}
		// A choice that forces a tool holds for the first turn: forced again, the loop could not end.
		if t := r.ToolChoice; t != nil && (t.Name != "" || t.Mode == "required") {
			r.ToolChoice = nil
		}
	}
}

func (c *Client) round(ctx context.Context, req *CompletionRequest, onChunk func(*CompletionChunk), opts []Option) (*CompletionResponse, error) {
	if onChunk == nil {
		return c.Completion(ctx, req, opts...)
	}
	s, err := c.CompletionStream(ctx, req, opts...)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var acc Accumulator
	for {
		chunk, err := s.Next()
		if err == io.EOF {
			resp := acc.Response()
			if resp == nil {
				resp = &CompletionResponse{}
			}
			resp.Meta = *s.Meta()
			return resp, nil
		}
		if err != nil {
			return nil, err
		}
		acc.Add(chunk)
		onChunk(chunk)
	}
}

// runCalls runs the calls of one turn; the results are in the order of the calls.
func (l *ToolLoop) runCalls(ctx context.Context, byName map[string]*FuncTool, calls []ToolCall) ([]Message, error) {
	results := make([]Message, len(calls))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	if l.MaxParallel > 0 {
		g.SetLimit(l.MaxParallel)
	}
	for i, call := range calls {
		t := byName[call.Function.Name]
		if t == nil {
			results[i] = toolFailure(call, "there is no tool of this name")
			continue
		}
		if l.Approve != nil {
			if err := l.Approve(ctx, call); err != nil {
				results[i] = toolFailure(call, err.Error())
				continue
			}
		}
		g.Go(func() (err error) {
			results[i], err = t.Call(gctx, call)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

// add sums usages of several calls. Members without a field are not summed.
func (u *Usage) add(v *Usage) {
	if v == nil {
		return
	}
	u.PromptTokens += v.PromptTokens
	u.CompletionTokens += v.CompletionTokens
	u.TotalTokens += v.TotalTokens
	if v.Source != "" {
		u.Source = v.Source
	}
	if p := v.PromptTokensDetails; p != nil {
		if u.PromptTokensDetails == nil {
			u.PromptTokensDetails = &PromptTokensDetails{}
		}
		d := u.PromptTokensDetails
		d.CachedTokens += p.CachedTokens
		d.CacheCreationTokens += p.CacheCreationTokens
		d.CacheCreation5mTokens += p.CacheCreation5mTokens
		d.CacheCreation1hTokens += p.CacheCreation1hTokens
		d.TextTokens += p.TextTokens
		d.AudioTokens += p.AudioTokens
		d.ImageTokens += p.ImageTokens
		d.VideoTokens += p.VideoTokens
		d.ToolUseTokens += p.ToolUseTokens
	}
	if c := v.CompletionTokensDetails; c != nil {
		if u.CompletionTokensDetails == nil {
			u.CompletionTokensDetails = &CompletionTokensDetails{}
		}
		d := u.CompletionTokensDetails
		d.ReasoningTokens += c.ReasoningTokens
		d.TextTokens += c.TextTokens
		d.AudioTokens += c.AudioTokens
		d.ImageTokens += c.ImageTokens
		d.AcceptedPredictionTokens += c.AcceptedPredictionTokens
		d.RejectedPredictionTokens += c.RejectedPredictionTokens
	}
	if s := v.ServerToolUse; s != nil {
		if u.ServerToolUse == nil {
			u.ServerToolUse = &ServerToolUse{}
		}
		u.ServerToolUse.WebSearchRequests += s.WebSearchRequests
		u.ServerToolUse.WebFetchRequests += s.WebFetchRequests
		u.ServerToolUse.CodeExecutionRequests += s.CodeExecutionRequests
	}
}
