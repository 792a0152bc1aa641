package cost

import (
	"time"

	"github.com/llm-go/llm"
)

// Record is one line of the ledger: what a call, or a try of it that was lost, has cost, and whom. It holds no prompt, no
// answer and no key; labels are what the caller has given by [llm.WithMetadata] and [llm.WithTags].
type Record struct {
	// ID is that of the reservation.
	ID string `json:"id"`
	// Time is when the call began, Duration how long it took.
	Time      time.Time     `json:"time"`
	Duration  time.Duration `json:"duration_ns,omitempty"`
	Operation llm.Operation `json:"operation,omitempty"`
	// Provider and Model are those that answered, or that were asked if none did. Deployment is a router's.
	Provider   string `json:"provider,omitempty"`
	Model      string `json:"model,omitempty"`
	Deployment string `json:"deployment,omitempty"`
	// Status is how it ended, Error the kind of failure if it failed.
	Status Status        `json:"status"`
	Error  llm.ErrorKind `json:"error,omitempty"`
	// Charges are the budgets that have paid.
	Charges []Charge `json:"charges,omitempty"`
	// Buckets are what was used, where the provider has told it.
	Buckets []Bucket `json:"buckets,omitempty"`
	// Amount is what counts as spent. It is between Low and High, which differ if the call broke off; Low is 0 if it may
	// not have been carried out. Reserved is what was held meanwhile.
	Amount   Amount `json:"amount"`
	Low      Amount `json:"low"`
	High     Amount `json:"high"`
	Reserved Amount `json:"reserved"`
	// Unpriced says that no price was known, so that Amount is 0 or what was reserved.
	Unpriced bool              `json:"unpriced,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Status is how a call of the ledger ended.
type Status string

// The statuses.
const (
	// StatusOpen: it is under way.
	StatusOpen Status = "open"
	// StatusOK: it has a bill.
	StatusOK Status = "ok"
	// StatusCut: it broke off, was left, or lost; Amount is High.
	StatusCut Status = "cut"
	// StatusFailed: nothing was done.
	StatusFailed Status = "failed"
	// StatusUnused: it was reserved for one more try, which was not made.
	StatusUnused Status = "unused"
	// StatusRefused: a budget had no room; nothing was sent.
	StatusRefused Status = "refused"
	// StatusExpired: nobody has settled it; Amount is what was reserved.
	StatusExpired Status = "expired"
)

// Charge names an account of a budget.
type Charge struct {
	Budget string `json:"budget"`
	Key    string `json:"key,omitempty"`
}

// Bucket is how much of one dimension was used: tokens, characters, pieces, milliseconds; see [Split].
type Bucket struct {
	// Of is the dimension's name: "input", "cache_read", "output" …
	Of     string `json:"of"`
	N      int64  `json:"n"`
	Amount Amount `json:"amount"`
}

// Expired is the record of a call that nobody has settled, for stores.
func (r *Record) Expired() *Record {
	c := *r
	c.Status, c.Amount, c.Low, c.High = StatusExpired, r.Reserved, 0, r.Reserved
	return &c
}

// use takes over what a bill says.
func (r *Record) use(b *Bill) {
	r.Low, r.High = b.Low, b.High
	for _, i := range b.Items {
		r.Buckets = append(r.Buckets, Bucket{i.Dimension.String(), i.N, i.Amount})
	}
}
