package llmtest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// outcome is what a client may make of a fault: one of the kinds, or success if there are none.
type outcome []llm.ErrorKind

var (
	fine      = outcome(nil)
	truncated = outcome{llm.ErrTruncated}
	protocol  = outcome{llm.ErrProtocol}
	tooLarge  = outcome{llm.ErrEventTooLarge}
	connects  = outcome{llm.ErrConnectTimeout}
	headers   = outcome{llm.ErrHeaderTimeout}
	unreached = outcome{llm.ErrConnection}
	reported  = outcome{llm.ErrServer, llm.ErrOverloaded}
	// inside200 are errors in an answer that says to be good: Bedrock has no form for them that would tell.
	inside200 = outcome{llm.ErrServer, llm.ErrOverloaded, llm.ErrProtocol}
	// either: what comes of it is for the dialect to say, as long as something does.
	either    = outcome{""}
	limited   = outcome{llm.ErrRateLimit}
	redirects = outcome{llm.ErrRedirect}
	total     = outcome{llm.ErrTotalTimeout}
)

// outcomes of the whole and of the streamed answer. They are what the contract's fault matrix asks for.
var outcomes = map[llmtest.Fault][2]outcome{
	llmtest.Refused:       {unreached, unreached},
	llmtest.NameNotFound:  {{llm.ErrDNS}, {llm.ErrDNS}},
	llmtest.NameTimeout:   {{llm.ErrDNS}, {llm.ErrDNS}},
	llmtest.ConnectStall:  {connects, connects},
	llmtest.TLSExpired:    {{llm.ErrTLS}, {llm.ErrTLS}},
	llmtest.TLSWrongHost:  {{llm.ErrTLS}, {llm.ErrTLS}},
	llmtest.TLSUnknownCA:  {{llm.ErrTLS}, {llm.ErrTLS}},
	llmtest.TLSStall:      {connects, connects},
	llmtest.GoAway:        {unreached, unreached},
	llmtest.RefusedStream: {unreached, unreached},
	llmtest.UploadStall:   {headers, headers},
	llmtest.UploadRefused: {{llm.ErrTooLarge}, {llm.ErrTooLarge}},

	llmtest.ResetBody:        {truncated, truncated},
	llmtest.Reset:            {unreached, unreached},
	llmtest.Hangup:           {unreached, unreached},
	llmtest.Stale:            {fine, fine}, // over two attempts
	llmtest.HeadersNever:     {headers, headers},
	llmtest.SlowHeaders:      {headers, headers},
	llmtest.HugeHeaders:      {unreached, unreached},
	llmtest.Stall:            {total, {llm.ErrStallTimeout}},
	llmtest.Pings:            {total, {llm.ErrStallTimeout}},
	llmtest.Drip:             {fine, fine},
	llmtest.CutEvent:         {{llm.ErrTruncated, llm.ErrProtocol}, truncated},
	llmtest.NoTerminal:       {{llm.ErrTruncated, llm.ErrProtocol}, truncated},
	llmtest.NoLastChunk:      {truncated, truncated},
	llmtest.LengthTooLong:    {truncated, fine}, // the terminal event had come
	llmtest.OpenEnd:          {fine, fine},
	llmtest.AfterTerminal:    {protocol, fine},
	llmtest.Empty:            {{llm.ErrTruncated, llm.ErrProtocol}, {llm.ErrTruncated, llm.ErrProtocol}},
	llmtest.ErrorBody:        {inside200, inside200},
	llmtest.ErrorEvent:       {inside200, reported},
	llmtest.HTML:             {protocol, protocol},
	llmtest.HTMLAsJSON:       {protocol, {llm.ErrProtocol, llm.ErrTruncated}},
	llmtest.CutJSON:          {{llm.ErrTruncated, llm.ErrProtocol}, {llm.ErrTruncated, llm.ErrProtocol}},
	llmtest.NoUsage:          {fine, fine},
	llmtest.MalformedEvent:   {protocol, protocol},
	llmtest.Doubled:          {fine, fine},
	llmtest.OutOfOrder:       {fine, fine},
	llmtest.ZeroToolIndexes:  {fine, fine},
	llmtest.NoToolIndexes:    {fine, fine},
	llmtest.LateToolName:     {fine, fine},
	llmtest.InvalidUTF8:      {fine, fine},
	llmtest.SplitRunes:       {fine, fine},
	llmtest.LoneSurrogate:    {fine, fine},
	llmtest.HugeLine:         {tooLarge, tooLarge},
	llmtest.LongBody:         {tooLarge, tooLarge},
	llmtest.Endless:          {tooLarge, total},
	llmtest.EmptyDeltas:      {fine, either},
	llmtest.GzipBomb:         {tooLarge, {llm.ErrEventTooLarge, llm.ErrProtocol}},
	llmtest.BadGzip:          {protocol, protocol},
	llmtest.UnknownEncoding:  {protocol, protocol},
	llmtest.DeepJSON:         {protocol, protocol},
	llmtest.HugeNumber:       {fine, fine},
	llmtest.DoubledKeys:      {fine, fine},
	llmtest.RateLimitSeconds: {limited, limited},
	llmtest.RateLimitDate:    {limited, limited},
	llmtest.RateLimitPast:    {limited, limited},
	llmtest.RateLimitMillis:  {limited, limited},
	llmtest.RateLimitBody:    {limited, limited},
	llmtest.RateLimitYear:    {limited, limited},
	llmtest.QuotaExhausted:   {{llm.ErrQuota, llm.ErrBilling}, {llm.ErrQuota, llm.ErrBilling}},
	llmtest.ContextWindow:    {{llm.ErrContextWindow}, {llm.ErrContextWindow}},
	llmtest.ContentPolicy:    {{llm.ErrContentPolicy, llm.ErrInvalidRequest}, {llm.ErrContentPolicy, llm.ErrInvalidRequest}},
	llmtest.BadKey:           {{llm.ErrAuthentication}, {llm.ErrAuthentication}},
	llmtest.InvalidField:     {{llm.ErrInvalidRequest}, {llm.ErrInvalidRequest}},
	llmtest.EchoPrompt:       {{llm.ErrInvalidRequest}, {llm.ErrInvalidRequest}},

	llmtest.RedirectSameHost:  {redirects, redirects},
	llmtest.RedirectOtherHost: {redirects, redirects},
	llmtest.RedirectDowngrade: {redirects, redirects},
	llmtest.RedirectLoop:      {redirects, redirects},
	llmtest.Flapping:          {{llm.ErrOverloaded, llm.ErrServer}, fine},

	llmtest.Stall.BeforeContent():          {total, {llm.ErrFirstContentTimeout}},
	llmtest.Pings.BeforeContent():          {total, {llm.ErrFirstContentTimeout}},
	llmtest.CutEvent.BeforeContent():       {{llm.ErrTruncated, llm.ErrProtocol}, truncated},
	llmtest.NoLastChunk.BeforeContent():    {truncated, truncated},
	llmtest.ResetBody.BeforeContent():      {truncated, truncated},
	llmtest.LengthTooLong.BeforeContent():  {truncated, truncated},
	llmtest.ErrorEvent.BeforeContent():     {inside200, reported},
	llmtest.MalformedEvent.BeforeContent(): {protocol, protocol},

	llmtest.Status(400): {{llm.ErrInvalidRequest}, {llm.ErrInvalidRequest}},
	llmtest.Status(401): {{llm.ErrAuthentication}, {llm.ErrAuthentication}},
	llmtest.Status(402): {{llm.ErrBilling}, {llm.ErrBilling}},
	llmtest.Status(403): {{llm.ErrPermission, llm.ErrAuthentication}, {llm.ErrPermission, llm.ErrAuthentication}},
	llmtest.Status(404): {{llm.ErrNotFound}, {llm.ErrNotFound}},
	llmtest.Status(408): {{llm.ErrTimeout}, {llm.ErrTimeout}},
	llmtest.Status(409): {{llm.ErrConflict}, {llm.ErrConflict}},
	llmtest.Status(413): {{llm.ErrTooLarge}, {llm.ErrTooLarge}},
	llmtest.Status(422): {{llm.ErrInvalidRequest}, {llm.ErrInvalidRequest}},
	llmtest.Status(425): {reported, reported},
	llmtest.Status(429): {limited, limited},
	llmtest.Status(500): {reported, reported},
	llmtest.Status(502): {reported, reported},
	llmtest.Status(503): {reported, reported},
	llmtest.Status(504): {{llm.ErrServer, llm.ErrTimeout}, {llm.ErrServer, llm.ErrTimeout}},
	llmtest.Status(529): {reported, reported},
}

const prompt = "What does the fox say in the forest at night?"

func TestFaults(t *testing.T) {
	for _, model := range chatModels {
		for _, f := range llmtest.Faults() {
			want, ok := outcomes[f]
			if !ok {
				require.Equal(t, llmtest.NoChoices, f, "a fault without an expected outcome")
				continue // see TestNoChoices
			}
			for i, way := range []string{"whole", "stream"} {
				if f == llmtest.Flapping && way == "stream" {
					continue // it does not fail the second time
				}
				t.Run(fmt.Sprintf("%s/%s/%s", model, f, way), func(t *testing.T) {
					t.Parallel()
					tryFault(t, model, f, want[i], way == "stream")
				})
			}
		}
	}
}

// serverFor is a server that can have the fault.
func serverFor(t *testing.T, f llmtest.Fault) *llmtest.Server {
	switch f {
	case llmtest.TLSExpired, llmtest.TLSWrongHost, llmtest.TLSUnknownCA, llmtest.TLSStall, llmtest.GoAway, llmtest.RefusedStream, llmtest.RedirectDowngrade:
		return llmtest.NewTLSServer(t)
	}
	return llmtest.NewServer(t)
}

func tryFault(t *testing.T, model string, f llmtest.Fault, want outcome, stream bool) {
	srv := serverFor(t, f)
	srv.Reply(llmtest.Answer{Text: "Grüße aus Köln, sagt der Fuchs."})
	srv.FaultAlways(f)
	opts := []llm.Option{llm.WithMaxAttempts(1), llm.WithTimeout(30 * time.Second), llm.WithMaxBodyBytes(4 << 20), llm.WithMaxEventBytes(2 << 20)}
	for _, k := range want { // only the clock that is meant to fire is short: the machine may be busy
		switch k {
		case llm.ErrTotalTimeout:
			opts = append(opts, llm.WithTimeout(300*time.Millisecond))
		case llm.ErrConnectTimeout:
			opts = append(opts, llm.WithConnectTimeout(200*time.Millisecond))
		case llm.ErrHeaderTimeout:
			opts = append(opts, llm.WithHeaderTimeout(100*time.Millisecond))
		case llm.ErrFirstContentTimeout:
			opts = append(opts, llm.WithFirstContentTimeout(100*time.Millisecond))
		case llm.ErrStallTimeout:
			opts = append(opts, llm.WithStallTimeout(100*time.Millisecond))
		}
	}
	if f == llmtest.Stale {
		opts = append(opts, llm.WithMaxAttempts(3))
	}
	c := srv.Client(opts...)
	var r *llm.CompletionResponse
	var err error
	calls := 1
	if f == llmtest.Stale {
		calls = 2
	}
	for range calls {
		if stream {
			r, err = collect(t.Context(), c, ask(model, prompt))
		} else {
			r, err = c.Completion(t.Context(), ask(model, prompt))
		}
	}
	if len(want) == 1 && want[0] == "" {
		return
	}
	if len(want) == 0 {
		require.NoError(t, err)
		if f != llmtest.DoubledKeys && f != llmtest.OutOfOrder && f != llmtest.InvalidUTF8 && f != llmtest.LoneSurrogate && f != llmtest.Doubled {
			require.Equal(t, "Grüße aus Köln, sagt der Fuchs.", r.Text())
		}
		require.NotEmpty(t, r.Text())
		return
	}
	require.Error(t, err)
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	found := false
	for _, k := range want {
		found = found || errors.Is(err, k)
	}
	require.True(t, found, "the error is %v (%q), want one of %q", err, string(e.Kind), []llm.ErrorKind(want))
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v %#v", err, err)} {
		require.NotContains(t, text, llmtest.Key)
		require.NotContains(t, text, prompt)
	}
	switch f { // what strikes a connection leaves no request behind
	case llmtest.Refused, llmtest.NameNotFound, llmtest.NameTimeout, llmtest.ConnectStall, llmtest.TLSExpired, llmtest.TLSWrongHost,
		llmtest.TLSUnknownCA, llmtest.TLSStall, llmtest.GoAway, llmtest.RefusedStream:
		require.Empty(t, srv.Requests())
	default:
		require.NotEmpty(t, srv.Requests())
	}
	for _, r := range srv.Requests() {
		require.False(t, r.Redirected, "a redirect was followed")
	}
	before := strings.HasSuffix(string(f), "@before")
	if stream && !before && (errors.Is(err, llm.ErrStallTimeout) || f == llmtest.CutEvent || f == llmtest.ErrorEvent || f == llmtest.MalformedEvent) {
		require.NotNil(t, e.Partial, "the content that had arrived")
		require.Equal(t, "Grüße", e.Partial.Text())
	}
	if before && stream {
		require.Nil(t, e.Partial)
	}
}

// However a stream numbers and names its tool calls, they are those of the whole answer.
func TestSpoiledToolCalls(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		srv.Reply(llmtest.Answer{ToolCalls: []llm.ToolCall{
			{Function: llm.FunctionCall{Name: "get_weather", Arguments: `{"city":"Paris","units":"metric"}`}},
			{Function: llm.FunctionCall{Name: "get_time", Arguments: `{"zone":"Europe/Paris"}`}}}})
		for _, f := range []llmtest.Fault{llmtest.ZeroToolIndexes, llmtest.NoToolIndexes, llmtest.LateToolName} {
			srv.Fault(f)
			r, err := collect(t.Context(), c, ask(model, "?"))
			require.NoError(t, err, f)
			require.Len(t, r.ToolCalls(), 2, f)
			require.Equal(t, "get_weather", r.ToolCalls()[0].Function.Name, f)
			require.JSONEq(t, `{"city":"Paris","units":"metric"}`, r.ToolCalls()[0].Function.Arguments)
			require.Equal(t, "get_time", r.ToolCalls()[1].Function.Name, f)
			require.JSONEq(t, `{"zone":"Europe/Paris"}`, r.ToolCalls()[1].Function.Arguments)
		}
	})
}

func TestFaultOnceThenTheScriptGoesOn(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, _ *llm.Client, model string) {
		srv.Reply(llmtest.Text("one"), llmtest.Text("two"))
		srv.Fault(llmtest.Status(503), llmtest.RateLimitMillis)
		c := srv.Client(llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}))
		r, err := c.Completion(t.Context(), ask(model, "?"))
		require.NoError(t, err)
		require.Equal(t, "one", r.Text())
		require.Len(t, srv.Requests(), 3, "two failed, and were retried")
		r, err = c.Completion(t.Context(), ask(model, "?"))
		require.NoError(t, err)
		require.Equal(t, "two", r.Text())

		srv.FaultAlways(llmtest.Status(400))
		_, err = c.Completion(t.Context(), ask(model, "?"))
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
		srv.FaultAlways("")
		_, err = c.Completion(t.Context(), ask(model, "?"))
		require.NoError(t, err)
	})
}

func TestRetryAfterForms(t *testing.T) {
	for f, want := range map[llmtest.Fault][2]time.Duration{
		llmtest.RateLimitSeconds: {time.Second, time.Second},
		llmtest.RateLimitDate:    {500 * time.Millisecond, 2 * time.Second},
		llmtest.RateLimitMillis:  {100 * time.Millisecond, 100 * time.Millisecond},
		llmtest.RateLimitYear:    {365 * 24 * time.Hour, 365 * 24 * time.Hour},
	} {
		srv := llmtest.NewServer(t)
		srv.Fault(f)
		_, err := srv.Client(llm.WithMaxAttempts(1)).Completion(t.Context(), ask(chatModels[0], "?"))
		var e *llm.Error
		require.ErrorAs(t, err, &e)
		require.GreaterOrEqual(t, e.RetryAfter, want[0], f)
		require.LessOrEqual(t, e.RetryAfter, want[1], f)
	}
}

// A redirect that a client does follow is seen.
func TestRedirectsAreSeen(t *testing.T) {
	srv := llmtest.NewServer(t)
	srv.Fault(llmtest.RedirectOtherHost)
	resp, err := http.Post(srv.BaseURL("openai")+"/chat/completions", "application/json", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "You said: hi")
	reqs := srv.Requests()
	require.Len(t, reqs, 2)
	require.True(t, reqs[1].Redirected)
}

func TestUnknownFaults(t *testing.T) {
	srv := llmtest.NewServer(t)
	require.PanicsWithValue(t, `llmtest: unknown fault "stal"`, func() { srv.Fault("stal") })
	require.Panics(t, func() { srv.FaultAlways("status-200") })
	require.Panics(t, func() { srv.Reply(llmtest.Answer{Fault: "no"}) })
	srv.Fault(llmtest.Status(418), llmtest.Stall.BeforeContent().BeforeContent())
}

// An answer without choices says nothing: that is an error, not an empty text. A stream that ends well without content
// may be an answer of no words, which is for the dialect to say.
func TestNoChoices(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		srv.FaultAlways(llmtest.NoChoices)
		_, err := c.Completion(t.Context(), ask(model, "?"), llm.WithMaxAttempts(1))
		require.ErrorIs(t, err, llm.ErrProtocol)
		r, err := collect(t.Context(), srv.Client(llm.WithMaxAttempts(1)), ask(model, "?"))
		require.True(t, err != nil || r.Text() == "")
	})
}
