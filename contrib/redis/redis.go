// Package redis keeps in Redis or Valkey what several processes share: what routers do, in a [RouterStore], answers, in
// a [CacheStore], and what budgets have left, in a [BudgetStore].
//
//	client, err := redis.Open("redis://:password@10.0.0.5:6379/0")
//	…
//	defer client.Close()
//	store, err := redis.NewRouterStore(client)
//	…
//	rt, err := router.New(router.Config{Store: store, Name: "chat", …})
//	…
//	answers, err := redis.NewCacheStore(client)
//	…
//	c, err := cache.New(cache.Config{Store: answers})
//
// # Servers
//
// Redis from version 5 and Valkey, alone, behind Sentinel or as a cluster: all keys of one router are in one hash slot, so
// each call is one command to one node; the answers of a cache are spread over all. Keys begin with "llm:" and expire by
// themselves. The server's clock is the one that counts for routers, so those of the processes need not agree. An eviction
// policy that drops keys early lets limits begin anew; noeviction and the volatile ones that are not random do well. A
// cache that is large is better on a server of its own.
//
// # Clients
//
// [Open] makes a client that suits. One of your own needs ContextTimeoutEnabled, without which a call waits for a server
// that has frozen as long as ReadTimeout, whatever its context says. It should further have
//
//   - MaxRetries -1 and DialerRetries 1: the router decides what to do without its store, and what the server has done
//     though its answer was lost must not be done twice
//   - a ReadTimeout of about a second, which bounds a call whose context has no deadline or is cancelled before it
//   - DisableIdentity, and maintenance notifications disabled unless you use them: each is a round trip more on a new
//     connection, and all of them have to fit into the context of the call that needs the connection, which is a
//     router's StoreTimeout. Raise that if the server is further away than a third of it.
//
// go-redis writes to standard error when it cannot connect; its SetLogger changes that for the whole program.
package redis

import (
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// errURL says nothing of the URL that was wrong, since that holds a password.
var errURL = errors.New("redis: the URL must be like redis://user:password@host:6379/0, rediss:// for TLS or unix:///path?db=0, " +
	"with special characters of the password as %xx, and known parameters such as pool_size=50; for a cluster " +
	"with at least one parameter addr=host:port and no database")

// Open returns a client with the options that a store needs. It does not connect: that happens when it is first used.
// Close it when the stores that use it are not used any more.
//
// The URL is that of [redis.ParseURL], and with parameters "addr" that of [redis.ParseClusterURL]. Its parameters are
// followed, except that the context's deadline always holds. Without them, reading, writing and connecting may take a
// second, and nothing is tried twice. For Sentinel, or credentials that change, make a client of your own, as the
// package's documentation says.
func Open(rawURL string) (redis.UniversalClient, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errURL
	}
	if u.Query().Has("addr") {
		o, err := redis.ParseClusterURL(rawURL)
		if err != nil || len(u.Path) > 1 {
			return nil, errURL
		}
		o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig = true, true, noNotifications()
		o.DisableRoutingPolicies = true // they are read from the server first, and matter to other commands
		setTimes(&o.DialTimeout, &o.ReadTimeout)
		setTries(&o.MaxRetries, &o.DialerRetries)
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, errURL
	}
	o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig = true, true, noNotifications()
	setTimes(&o.DialTimeout, &o.ReadTimeout)
	setTries(&o.MaxRetries, &o.DialerRetries)
	return redis.NewClient(o), nil
}

func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// setTimes and setTries leave alone what the URL has set; WriteTimeout follows ReadTimeout.
func setTimes(dial, read *time.Duration) {
	if *dial == 0 {
		*dial = time.Second
	}
	if *read == 0 {
		*read = time.Second
	}
}

func setTries(retries, dials *int) {
	if *retries == 0 {
		*retries = -1
	}
	if *dials == 0 {
		*dials = 1
	}
}

// errNoDeadline is about a client that would not keep [router.Config.StoreTimeout].
var errNoDeadline = errors.New("redis: the client must have ContextTimeoutEnabled, or a server that has frozen holds calls up for " +
	"its ReadTimeout; redis.Open makes a client that has it")

// check says whether a client keeps deadlines, where that can be known.
func check(client redis.UniversalClient) error {
	keeps := true
	switch c := client.(type) {
	case nil:
		return errors.New("redis: there is no client")
	case *redis.Client:
		keeps = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		keeps = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		keeps = c.Options().ContextTimeoutEnabled
	}
	if !keeps {
		return errNoDeadline
	}
	return nil
}
