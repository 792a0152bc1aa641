package router

import "time"

// Strategy picks one of the deployments that can take a call. The ready ones are [Shuffle], [LeastBusy],
// [LowestLatency], [LowestCost], [LowestUsage], [PowerOfTwo] and [InOrder]; [Custom] makes one of a function.
type Strategy struct {
	name   string
	pick   func(p *pool) int
	custom func([]Candidate) int
}

// Name is the strategy's name, as it stands in [llm.Route] and [Snapshot].
func (s Strategy) Name() string { return s.name }

// Custom is a strategy of one's own: pick gets the candidates, in the order of the configuration, and returns the
// index of the one to use. It must be pure, and is called by many goroutines at once. An index outside the list is
// the first.
func Custom(name string, pick func([]Candidate) int) Strategy {
	return Strategy{name: name, custom: pick}
}

// Candidate is a deployment that can take a call, as it stands at that moment.
type Candidate struct {
	ID, Model, Region string
	Tags              []string
	Weight            float64
	Order             int
	// InFlight are the calls that this process has under way there.
	InFlight int
	// Requests and Tokens of the last minute, from this process, beside their limits; 0: no limit.
	Requests, RPM int
	Tokens, TPM   int
	// FirstContent is the mean time to the first content of streams, PerToken that of unary calls for each token of
	// the answer, and Latency a moving average of the time to an answer or its first content that rises at once and
	// falls slowly. 0: there was no call yet.
	FirstContent, PerToken, Latency time.Duration
	// Price in US dollars per million tokens; nil: not known.
	Price *Price
	// Prompt and Answer are the tokens that the call may use, by estimate.
	Prompt, Answer int
	// Stream says that the call is streamed.
	Stream bool
}
