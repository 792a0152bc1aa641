package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/llm-go/llm"
)

// Upstream is how the host behind a deployment behaves. The zero value answers every call.
type Upstream struct {
	// Latency is the time to an answer, and of a stream to its first content. Default: LogNormal(800 ms, 0.4).
	Latency Latency
	// TokensPerSecond is how fast an answer is written after that: unary calls wait for all of it. 0: it is there at
	// once.
	TokensPerSecond float64

	// Capacity is how many calls are served at full speed at a time. With more, new ones become slower in proportion,
	// or are refused with the status Refuse, such as 429 or 503. 0: any number.
	Capacity int
	Refuse   int
	// RPM and TPM are limits of each key, in any window of 60 s. What exceeds them gets a 429 whose Retry-After says, in
	// whole seconds as in HTTP (RFC 9110, 10.2.3), when there will be room. Tokens are those of the prompt and of the
	// answer. 0: none.
	RPM, TPM int
	// ContextWindow is the most tokens that prompt and answer may have; beyond it calls are refused. 0: any number.
	ContextWindow int
	// Keys have what is different for single keys of the deployment.
	Keys map[string]Key

	// ColdCalls are served ColdSlow times slower, at the beginning and after ColdAfter without a call (0: never again).
	ColdCalls int
	ColdSlow  float64
	ColdAfter time.Duration

	// Phases are what happens to it. A phase concerns the calls that begin in it; those that hold at the same time add
	// up.
	Phases []Phase
}

// Key is an API key at a simulated host.
type Key struct {
	// RPM and TPM replace those of the Upstream; 0: the same, negative: none.
	RPM, TPM int
	// Refused is the status that every call with this key gets: 401, 402, 403. 0: none.
	Refused int
}

// Phase is a time in which something is wrong.
type Phase struct {
	// From and Until are since the beginning of the run. Until 0: until its end.
	From, Until time.Duration
	// With For and Every the phase holds only for the first For of each Every, counted from From: a host that flaps.
	For, Every time.Duration

	// Slow is the factor by which answers take longer; 0: none.
	Slow float64
	// Fail is the share of calls, 0 to 1, that fail by Fault.
	Fail  float64
	Fault Fault
	// Break is the share of streams, 0 to 1, that break off in the middle of the answer.
	Break float64
}

// Fault is how a call fails. The zero value is an HTTP 500.
type Fault struct {
	// Status is that of the answer, and its kind is what [llm.StatusError] says.
	Status int
	// Kind is what it is without a status, such as [llm.ErrConnection], or more exactly than the status says, such
	// as [llm.ErrQuota].
	Kind llm.ErrorKind
	// RetryAfter is the wait that the host asks for.
	RetryAfter time.Duration
	// After is how long the failure takes. Default: 20 ms. Negative: what an answer would have taken.
	After time.Duration
}

// Refused is a connection that is refused at once: a host that is down.
func Refused() Fault { return Fault{Kind: llm.ErrConnection, After: time.Millisecond} }

// Blackhole is a host that says nothing: the connect timeout of the call ends it, by default 10 s.
func Blackhole() Fault {
	return Fault{Kind: llm.ErrConnectTimeout, After: llm.DefaultConnectTimeout}
}

// RateLimited is a 429 with this Retry-After, whatever limits there are.
func RateLimited(retryAfter time.Duration) Fault {
	return Fault{Status: 429, RetryAfter: retryAfter}
}

// err is the fault as the engine would give it.
func (f *Fault) err() *llm.Error {
	var e *llm.Error
	switch {
	case f.Status != 0:
		e = llm.StatusError(f.Status)
	case f.Kind == "":
		e = llm.StatusError(500)
	default:
		e = &llm.Error{Scope: llm.ScopeRoute, Temporary: true}
	}
	if f.Kind != "" {
		e.SetKind(f.Kind)
	}
	e.RetryAfter = f.RetryAfter
	e.Message = "simulated"
	return e
}

// defaultFaultTime is how long a host takes to say no.
const defaultFaultTime = 20 * time.Millisecond

// holds says whether the phase holds at a time since the beginning of the run.
func (p *Phase) holds(t time.Duration) bool {
	if t < p.From || p.Until > 0 && t >= p.Until {
		return false
	}
	return p.Every <= 0 || (t-p.From)%p.Every < p.For
}

// check refuses what cannot be meant.
func (u *Upstream) check() error {
	switch {
	case u.TokensPerSecond < 0 || u.Capacity < 0 || u.RPM < 0 || u.TPM < 0 || u.ContextWindow < 0 || u.ColdCalls < 0 || u.ColdSlow < 0:
		return errors.New("speeds, limits and counts cannot be negative")
	case u.ColdCalls > 0 && u.ColdSlow == 0:
		return errors.New("ColdCalls needs ColdSlow, the factor by which they take longer")
	case u.Refuse != 0 && (u.Refuse < 400 || u.Refuse > 599):
		return fmt.Errorf("the status of Refuse must be an error, 400 to 599, not %d", u.Refuse)
	}
	for i := range u.Phases {
		p := &u.Phases[i]
		switch {
		case p.From < 0 || p.Until < 0 || p.Until > 0 && p.Until <= p.From:
			return fmt.Errorf("phase %d: From %s and Until %s are no time of the run", i, p.From, p.Until)
		case p.For < 0 || p.Every < 0 || p.Every > 0 != (p.For > 0) || p.For > p.Every:
			return fmt.Errorf("phase %d: For and Every belong together, and For is the shorter one", i)
		case !(p.Fail >= 0 && p.Fail <= 1 && p.Break >= 0 && p.Break <= 1):
			return fmt.Errorf("phase %d: Fail and Break are shares, 0 to 1", i)
		case !(p.Slow >= 0):
			return fmt.Errorf("phase %d: Slow is a factor", i)
		}
	}
	return nil
}
