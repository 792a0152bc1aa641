package router

import (
	"context"
	"errors"
	"fmt"
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

// Claim books Amount in a sliding window, whose sum must not exceed Limit in any period of that length.
// 0 <= Amount <= Limit; above 1<<53 both count as that. The same Key with another Window is another window.
type Claim struct {
	Key           string
	Limit, Amount int64
	Window        time.Duration
}

// Settlement adds Delta, which may be negative, to what was booked At; nothing happens if that has left the window, and
// nothing falls below 0.
type Settlement struct {
	Key    string
	Window time.Duration
	At     time.Time
	Delta  int64
}

// Validate says what is wrong with it. Stores call it first; an error tells the place, not the keys.
func (t *Take) Validate() error {
	if i, wrong := badClaim(t.Claims); wrong != "" {
		return fmt.Errorf("router: Take.Claims[%d]: %s", i, wrong)
	}
	for c := range t.Choices {
		if t.Choices[c].Key == "" {
			return fmt.Errorf("router: Take.Choices[%d]: Key is missing", c)
		}
		if i, wrong := badClaim(t.Choices[c].Claims); wrong != "" {
			return fmt.Errorf("router: Take.Choices[%d].Claims[%d]: %s", c, i, wrong)
		}
	}
	if t.Session != "" && t.SessionTTL <= 0 {
		return errors.New("router: Take.SessionTTL must be above 0 with a Session")
	}
	for i := range t.Settle {
		if s := &t.Settle[i]; s.Key == "" || s.Window <= 0 {
			return fmt.Errorf("router: Take.Settle[%d]: Key and a Window above 0 are needed", i)
		}
	}
	return nil
}

func badClaim(claims []Claim) (index int, wrong string) {
	for i := range claims {
		switch c := &claims[i]; {
		case c.Key == "" || c.Window <= 0:
			return i, "Key and a Window above 0 are needed"
		case c.Amount < 0 || c.Amount > c.Limit:
			return i, fmt.Sprintf("Amount %d is not between 0 and Limit %d", c.Amount, c.Limit)
		}
	}
	return 0, ""
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
