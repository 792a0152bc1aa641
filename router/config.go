package router

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/llm-go/llm"
)

// Config is a router as data. Its zero values are the defaults.
type Config struct {
	// Deployments are where calls can go.
	Deployments []Deployment
	// Strategy picks among the deployments of a group; default [Shuffle]. Strategies has others for single groups.
	Strategy   Strategy
	Strategies map[string]Strategy

	// Aliases are further names of groups.
	Aliases map[string]string
	// Default is the group for names that are neither a group nor an alias. Without it they pass through unrouted;
	// Strict refuses them instead.
	Default string
	Strict  bool

	// Fallbacks are the groups, or "provider/model" names, that a group's calls go to when the group has failed;
	// the fallbacks of a fallback follow it. ContextFallbacks are for prompts that are too long, and
	// ContentPolicyFallbacks for what a safety system refused. Those under "*" are for groups without their own.
	// A cycle is an error of [New].
	Fallbacks              map[string][]string
	ContextFallbacks       map[string][]string
	ContentPolicyFallbacks map[string][]string

	Health      Health
	RetryBudget RetryBudget
	// Backoff is the wait before a deployment that has failed is tried again in the same call, where the provider
	// names none. Default: 0.5 s doubling up to 8 s, jitter 0.5.
	Backoff llm.Backoff
	// Hedge sends slow calls a second time; nil: never.
	Hedge *Hedge
	// Queue is where calls wait that every deployment's limits keep back.
	Queue Queue

	// Limits are those of the caller: of a user, a tenant, a tag. They come on top of the deployments'. nil: none.
	Limits func(call *llm.Call) []Limit
	// Tenant keeps the sessions of different tenants apart: the same session key of two tenants is two sessions.
	// Default: the metadata "tenant", "user_id" or "user", whichever comes first.
	Tenant func(call *llm.Call) string
	// SessionTTL is how long a session stays with its deployment after its last call; default an hour.
	SessionTTL time.Duration
	// Tags says whether the tags of a call choose deployments; default: they do not.
	Tags TagMatch

	// Store keeps limits, cooldowns and sessions; default: memory of this router alone, see [NewMemory]. Name keeps
	// routers with different deployments apart in one store; default "router".
	Store Store
	Name  string
	// StoreTimeout bounds what a shared store may add to a call; default 5 ms. FailClosed refuses calls when the
	// store does not answer; by default they go on with what this process knows.
	StoreTimeout time.Duration
	FailClosed   bool

	// OnEvent is told what an operator wants to know: cooldowns, recoveries, fallbacks. It runs in the caller's
	// goroutine.
	OnEvent func(Event)

	// Clock and Rand are for tests and simulations; by default they are time and math/rand/v2.
	Clock Clock
	Rand  func() uint64
}

// Deployment is one place where a group's calls can go: a model at a provider, with its own options.
type Deployment struct {
	// ID names it in attempts, snapshots and the store; default the Model, with "#2" and so on if that is taken.
	ID string
	// Group is the model name under which callers find it; default the Model. A group that ends in "*" takes every
	// name that begins so, and a "*" in Model then stands for the rest of the name.
	Group string
	// Model is "provider/model".
	Model string
	// Options are how it is reached: llm.WithBaseURL, llm.WithSetting("AWS_REGION", …).
	Options []llm.Option
	// Keys are several keys of one account or of several: they take turns, and one that is refused or limited is left
	// out alone.
	Keys Keys

	// Weight is its share under [Shuffle]. Without weights in a group RPM is, and without RPM TPM.
	Weight float64
	// Order is the tier: the lowest that has a deployment to offer is used.
	Order int
	// Tags and Region are matched with those of the call; see [Config.Tags] and [WithRegion].
	Tags   []string
	Region string

	// RPM and TPM limit requests and tokens per minute, in any window of 60 s. Tokens are reserved by estimate and
	// settled by the usage that the provider reports. 0: no limit.
	RPM, TPM int
	// MaxParallel limits the calls in flight from this process. 0: no limit.
	MaxParallel int

	// ContextWindow is the most tokens that prompt and answer may have; 0: not known, which fits everything.
	ContextWindow int
	// Capabilities is what the model can do; nil: not known, which is everything.
	Capabilities []Capability
	// Price is in US dollars per million tokens, for [LowestCost] and for hedging; nil: not known.
	Price *Price

	// Timeout and StreamTimeout bound a whole try, for unary calls and for streams up to their first content; 0: only
	// the call's own. MaxRetries repeats at this deployment, with backoff, before another is tried.
	Timeout, StreamTimeout time.Duration
	MaxRetries             int

	// Disabled takes it out of use: it gets no request at all.
	Disabled bool
}

// Keys are kept out of what is printed: they are REDACTED for fmt, JSON and slog.
type Keys []string

// String says how many there are.
func (k Keys) String() string { return fmt.Sprintf("[%d REDACTED]", len(k)) }

// GoString is String for %#v.
func (k Keys) GoString() string { return k.String() }

// Format holds for all verbs.
func (k Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// MarshalJSON is String for encoding/json.
func (k Keys) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// Price is in US dollars per million tokens.
type Price struct{ Input, Output float64 }

// Capability is something that not every model can do. A router looks for them in the request.
type Capability string

// The capabilities.
const (
	Vision Capability = "vision" // images in messages
	Audio  Capability = "audio"  // audio in messages
	Files  Capability = "files"  // documents in messages
	Tools  Capability = "tools"
	Schema Capability = "schema" // answers that follow a JSON schema
)

// Health says when a deployment is out, and for how long. Zero values are the defaults; negative ones switch a rule
// off.
type Health struct {
	// Failures in a row put a deployment out; default 3.
	Failures int
	// Ratio of failures among the calls of the last Window puts it out, if there were at least MinCalls.
	// Defaults 0.5, 30 s, 10.
	Ratio    float64
	Window   time.Duration
	MinCalls int
	// Cooldown is the first time out, which doubles up to MaxCooldown while probes fail. Defaults 5 s and 60 s.
	// What a provider asks for (Retry-After) holds if it is longer.
	Cooldown, MaxCooldown time.Duration
	// KeyCooldown is for keys that are refused: 401, 402, 403, quota. Default 5 minutes.
	KeyCooldown time.Duration
	// SlowStart is how long a deployment takes from a tenth to all of its share when it comes back; default 10 s.
	SlowStart time.Duration
	// MaxEjected is the share of a group that failures may put out at most, rounded down, where there is neither
	// another tier nor a fallback; default 0.5.
	MaxEjected float64
}

// RetryBudget bounds the tries that follow a failure, over all calls of a router: each call adds Ratio to the budget,
// each such try takes one, and Reserve is the most that it holds and what it begins with. Defaults 0.1 and 100. What goes
// on to another key or deployment since a key was refused or is at its limit (401, 402, 403, 429) is not counted: it is
// the work of the first try, moved.
type RetryBudget struct {
	Ratio   float64
	Reserve int
}

// Hedge sends a call that is slow to begin a second time, to another deployment, and takes what comes first. The other
// is cancelled, and stays in the list of attempts. It happens only before the first content of a stream, or before a
// whole answer. Both tries may be billed.
type Hedge struct {
	// Quantile of the group's latencies after which the second is sent; default 0.95. There is none before 20 calls
	// have been seen. MinDelay bounds the wait from below; default 50 ms.
	Quantile float64
	MinDelay time.Duration
	// MaxShare is the most hedges that there may be to a hundred calls; default 0.05.
	MaxShare float64
	// MaxCost is the most, in US dollars, that a second try may cost by estimate, from the deployment's Price;
	// 0: no bound. With a bound, a deployment without a price is never the second.
	MaxCost float64
}

// Queue holds calls that every deployment's limits keep back, until there is room, their deadline does not allow the
// wait, or MaxWait has passed. Calls with the lower [WithPriority] go first, then those that came first.
type Queue struct {
	// Max is how many calls of a group may wait; default 1000, negative: none waits.
	Max int
	// MaxWait bounds the wait; default: only the call's deadline does.
	MaxWait time.Duration
}

// Limit is what callers with one key may use together, in any window of 60 s. Parallel is counted in this process.
type Limit struct {
	// Key names what is limited: "user:ada", "tag:batch".
	Key                string
	RPM, TPM, Parallel int
}

// TagMatch says how the tags of a call choose deployments.
type TagMatch string

// With TagsAny a call with tags goes to deployments that have one of them, with TagsAll to those that have all;
// where none has, to those with the tag "default". A call without tags goes to deployments without tags and to those
// with the tag "default".
const (
	TagsIgnored TagMatch = ""
	TagsAny     TagMatch = "any"
	TagsAll     TagMatch = "all"
)

// Event is something that happened to a deployment or a call.
type Event struct {
	Time time.Time
	// Kind is "cooldown", "key_cooldown", "probe", "recovered", "key_recovered", "kept" (failing, but the last to be kept in), "fallback",
	// "hedge", "resume", "retry_budget" (used up), "store" (does not answer) or "store_recovered".
	Kind              string
	Group, Deployment string
	// Until is the end of a cooldown.
	Until time.Time
	// Reason is the error's kind, or the group that is fallen back to.
	Reason string
}

// Clock is time, and goroutines: what a simulation replaces.
type Clock interface {
	Now() time.Time
	// Wait returns nil when d has passed or ready is closed, and ctx's error if ctx ends before. A negative d is
	// for ever; ready may be nil.
	Wait(ctx context.Context, d time.Duration, ready <-chan struct{}) error
	// Go runs f beside the caller.
	Go(f func())
}

// The options of a call. They mean nothing without a router.
type (
	sessionKey    struct{}
	priorityKey   struct{}
	regionKey     struct{}
	deploymentKey struct{}
	fallbacksKey  struct{}
	resumeKey     struct{}
)

// WithSession keeps the calls of a session on one deployment, as long as that is healthy: what a provider has cached
// of a long prompt is only there. Keys of different tenants do not meet; see [Config.Tenant].
func WithSession(key string) llm.Option { return llm.WithValue(sessionKey{}, key) }

// WithPriority says where a call that must wait stands in the queue; lower is earlier, default 0.
func WithPriority(p int) llm.Option { return llm.WithValue(priorityKey{}, p) }

// WithRegion allows only deployments of these regions.
func WithRegion(regions ...string) llm.Option { return llm.WithValue(regionKey{}, regions) }

// WithDeployment sends the call to the deployment with this id, of whatever group, healthy or not; there are no
// fallbacks.
func WithDeployment(id string) llm.Option { return llm.WithValue(deploymentKey{}, id) }

// WithFallbacks replaces the fallbacks of all kinds for one call; none means that there are none.
func WithFallbacks(groups ...string) llm.Option { return llm.WithValue(fallbacksKey{}, groups) }

// WithResume lets a streamed completion that breaks off after its first content go on at another deployment. With
// [llm.MarkerRestart] the answer begins anew; with [llm.MarkerContinue] the next model gets what was said as the
// beginning of its answer, if its API allows that and no tool call had begun, and otherwise restarts. A chunk with the
// marker stands between the two. Both tries are billed.
func WithResume(m llm.Marker) llm.Option { return llm.WithValue(resumeKey{}, m) }
