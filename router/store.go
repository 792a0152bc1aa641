package router

import (
	"context"
	"time"
)

// Store keeps what the routers of several processes share: limits, cooldowns and sessions. Implementations are
// [Memory] and contrib/redis; storetest checks one.
//
// All keys of one router begin with "{name}", its [Config.Name] in braces, so that a cluster keeps them in one place.
// A method must return when its context ends.
type Store interface {
	// Take settles what is due, and then takes, in one atomic step, the first choice that can be taken: it is not
	// cooling, and all its claims and those of the caller have room. The deployment that a session is with comes
	// before the others. What is taken is booked in all windows, or nothing is.
	Take(ctx context.Context, t *Take) (Taken, error)
	// Cool keeps a key from being taken for d. If it is cooling already, the longer time holds.
	Cool(ctx context.Context, key string, d time.Duration) error
}

// Take is what a call asks of a [Store].
type Take struct {
	// Choices in the order of preference; with none, the call only settles.
	Choices []Choice
	// Claims are the caller's own: they must have room whichever choice is taken.
	Claims []Claim
	// Session, if it is not "", is remembered to be with the choice that is taken, for SessionTTL from now on.
	Session    string
	SessionTTL time.Duration
	// Settle corrects what earlier calls have booked.
	Settle []Settlement
}

// Choice is a deployment.
type Choice struct {
	Key    string
	Claims []Claim
}

// Claim books Amount in a sliding window, whose sum must not exceed Limit. 0 <= Amount <= Limit.
type Claim struct {
	Key           string
	Limit, Amount int64
	Window        time.Duration
}

// Settlement adds Delta, which may be negative, to what was booked At; nothing happens if that has left the window.
type Settlement struct {
	Key    string
	Window time.Duration
	At     time.Time
	Delta  int64
}

// Taken is a Store's answer.
type Taken struct {
	// Choice is the index of the one taken, or -1.
	Choice int
	// Session says that it was taken since the session is with it.
	Session bool
	// At is the store's time of the booking, for [Settlement].
	At time.Time
	// Cooling has the rest of each choice's cooldown; nil: none is cooling.
	Cooling []time.Duration
	// Wait is, if none was taken, until one may have room, as far as is known; at least a millisecond.
	Wait time.Duration
	// Refused is the key of the caller's claim that has no room; "" if it was not that.
	Refused string
}
