package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/redis/go-redis/v9"
)

var (
	//go:embed take.lua
	takeSource string
	//go:embed cool.lua
	coolSource string

	takeScript = redis.NewScript(takeSource)
	coolScript = redis.NewScript(coolSource)
)

// RouterStore is a [router.Store] that processes share. Each call is one round trip: a script, which the server runs
// without anything in between. Limits hold as in [router.Memory].
//
// A call that fails may have been carried out all the same, if only its answer was lost: what it took is then used up
// until it leaves the window, which is on the safe side, and what it was to settle must not be settled again.
type RouterStore struct{ client redis.UniversalClient }

// NewRouterStore returns a store on a client, which remains the caller's to close. Several stores may share one. It is an
// error if the client does not keep the deadlines of contexts.
func NewRouterStore(client redis.UniversalClient) (*RouterStore, error) {
	if err := check(client); err != nil {
		return nil, err
	}
	return &RouterStore{client}, nil
}

// Take is [router.Store.Take].
func (s *RouterStore) Take(ctx context.Context, t *router.Take) (router.Taken, error) {
	none := router.Taken{Choice: -1}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := t.Validate(); err != nil {
		return none, err
	}
	keys, args := encode(t)
	reply, err := takeScript.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return none, failed(ctx, "Take", err)
	}
	return decode(t, reply)
}

// Cool is [router.Store.Cool].
func (s *RouterStore) Cool(ctx context.Context, key string, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key == "" {
		return errors.New("redis: Cool needs a key")
	}
	if d <= 0 {
		return nil
	}
	if err := coolScript.Run(ctx, s.client, []string{cooldownKey(key)}, micros(d)).Err(); err != nil {
		return failed(ctx, "Cool", err)
	}
	return nil
}

// failed tells a deadline that has passed in the words of contexts, as callers look for it.
func failed(ctx context.Context, method string, err error) error {
	cause := ctx.Err()
	if deadline, ok := ctx.Deadline(); cause == nil && ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline) {
		cause = context.DeadlineExceeded // the connection's timer was faster than the context's
	}
	if cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("redis: %s: %w: %w", method, cause, err)
	}
	return fmt.Errorf("redis: %s: %w", method, err)
}

// encode returns the keys and arguments of take.lua.
func encode(t *router.Take) (keys []string, args []any) {
	ttl := int64(0)
	if t.Session != "" {
		ttl = (micros(t.SessionTTL) + 999) / 1000
	}
	args = []any{len(t.Choices), len(t.Claims), len(t.Settle), ttl}
	for i := range t.Choices {
		keys = append(keys, cooldownKey(t.Choices[i].Key))
	}
	if t.Session != "" {
		keys = append(keys, "llm:session:"+t.Session)
	}
	claims := func(list []router.Claim) {
		for i := range list {
			c := &list[i]
			keys = append(keys, windowKey(c.Key, c.Window))
			args = append(args, min(c.Limit, maxSum), min(c.Amount, maxSum), width(c.Window))
		}
	}
	claims(t.Claims)
	for i := range t.Choices {
		args = append(args, len(t.Choices[i].Claims))
		claims(t.Choices[i].Claims)
	}
	for i := range t.Settle {
		s := &t.Settle[i]
		keys = append(keys, windowKey(s.Key, s.Window))
		args = append(args, width(s.Window), s.At.UnixMicro(), max(min(s.Delta, maxSum), -maxSum))
	}
	return keys, args
}

// decode reads what take.lua returns.
func decode(t *router.Take, reply []int64) (router.Taken, error) {
	const fixed = 5
	if len(reply) != fixed && len(reply) != fixed+len(t.Choices) || reply[0] >= int64(len(t.Choices)) || reply[4] > int64(len(t.Claims)) {
		return router.Taken{Choice: -1}, fmt.Errorf("redis: Take: the server's answer, %d numbers, is not that of the script", len(reply))
	}
	taken := router.Taken{
		Choice:  int(reply[0]),
		Session: reply[1] == 1,
		At:      time.UnixMicro(reply[2]),
		Wait:    time.Duration(reply[3]) * time.Microsecond,
	}
	if reply[4] > 0 {
		taken.Refused = t.Claims[reply[4]-1].Key
	}
	for _, us := range reply[fixed:] {
		taken.Cooling = append(taken.Cooling, time.Duration(us)*time.Microsecond)
	}
	return taken, nil
}

// Whole numbers are exact up to here in Lua, as the documentation of router.Claim says.
const maxSum = 1 << 53

func cooldownKey(key string) string { return "llm:cooldown:" + key }

// windowKey has the window's length, since the same key with another length is another window.
func windowKey(key string, window time.Duration) string {
	return "llm:window:" + strconv.FormatInt(int64(window), 10) + ":" + key
}

// width is that of a bucket, of which 120 make a window.
func width(window time.Duration) int64 {
	const us = 120 * int64(time.Microsecond)
	return (int64(window)-1)/us + 1
}

// micros is d rounded up, or a century: later than that the numbers of Lua would not be exact.
func micros(d time.Duration) int64 {
	const century = 100 * 365 * 24 * time.Hour
	return (int64(min(d, century)) + int64(time.Microsecond) - 1) / int64(time.Microsecond)
}
