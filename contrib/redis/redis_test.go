package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestOpenSetsWhatStoresNeed(t *testing.T) {
	c, err := Open("rediss://ada:secret@10.0.0.5:7000/3?pool_size=50&read_timeout=250ms")
	require.NoError(t, err)
	defer c.Close()
	o := c.(*redis.Client).Options()
	require.Equal(t, "10.0.0.5:7000", o.Addr)
	require.Equal(t, 3, o.DB)
	require.Equal(t, "secret", o.Password)
	require.NotNil(t, o.TLSConfig)
	require.Equal(t, 50, o.PoolSize)
	require.True(t, o.ContextTimeoutEnabled)
	require.Equal(t, 250*time.Millisecond, o.ReadTimeout)
	require.Equal(t, time.Second, o.DialTimeout)
	require.Zero(t, o.MaxRetries)
	require.Equal(t, 1, o.DialerRetries)

	c, err = Open("redis://:secret@10.0.0.5:7000?addr=10.0.0.6:7000&addr=10.0.0.7:7000")
	require.NoError(t, err)
	defer c.Close()
	cluster := c.(*redis.ClusterClient).Options()
	require.Equal(t, []string{"10.0.0.5:7000", "10.0.0.6:7000", "10.0.0.7:7000"}, cluster.Addrs)
	require.True(t, cluster.ContextTimeoutEnabled)
	require.Equal(t, time.Second, cluster.ReadTimeout)

	c, err = Open("unix:///run/redis.sock?db=2")
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "/run/redis.sock", c.(*redis.Client).Options().Addr)
}

func TestOpenTellsNoPassword(t *testing.T) {
	const secret = "canary4711"
	for _, u := range []string{
		"", "localhost:6379", "http://:" + secret + "@host", "redis://:" + secret + "@host:port", "redis://:" + secret + "/x@host",
		"redis://:a?" + secret + "@host", "redis://host/" + secret, "redis://host/0/" + secret, "redis://host?" + secret + "=1",
		"redis://host?pool_size=" + secret, "redis://host?addr=" + secret, "redis://host/1?addr=b:1&x=" + secret, "redis://h/1?addr=b:1",
		"unix://", "redis://%zz" + secret + "@host",
	} {
		_, err := Open(u)
		require.ErrorContains(t, err, "redis://user:password@host:6379/0", u)
		require.NotContains(t, fmt.Sprintf("%+v", err), secret)
	}
}

func TestNewRouterStoreWantsDeadlines(t *testing.T) {
	_, err := NewRouterStore(nil)
	require.Error(t, err)
	for _, c := range []redis.UniversalClient{
		redis.NewClient(&redis.Options{}),
		redis.NewClusterClient(&redis.ClusterOptions{}),
		redis.NewRing(&redis.RingOptions{}),
	} {
		_, err := NewRouterStore(c)
		require.ErrorContains(t, err, "ContextTimeoutEnabled")
		require.NoError(t, c.Close())
	}
	for _, c := range []redis.UniversalClient{
		redis.NewClient(&redis.Options{ContextTimeoutEnabled: true}),
		redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true}),
		redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true}),
		struct{ redis.UniversalClient }{}, // someone's own
	} {
		_, err := NewRouterStore(c)
		require.NoError(t, err)
	}
}

func TestErrorsOfContextsAreTold(t *testing.T) {
	reset := errors.New("connection reset")
	ctx, cancel := context.WithCancel(context.Background())
	require.ErrorIs(t, failed(ctx, "Take", reset), reset)
	require.NotErrorIs(t, failed(ctx, "Take", reset), context.Canceled)
	cancel()
	err := failed(ctx, "Take", reset)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reset)
}
