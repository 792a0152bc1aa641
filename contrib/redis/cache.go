package redis

import (
	"context"
	"errors"
	"time"

	"github.com/llm-go/llm/cache"
	"github.com/redis/go-redis/v9"
)

// CacheStore is a [cache.Store] that processes share: each Get and each Set is one command, and the server ends what has
// had its time. Keys begin with "llm:cache:". What is dropped when the server's memory is full is for its eviction
// policy to say; allkeys-lru and volatile-lru do well, noeviction makes Set fail.
type CacheStore struct{ client redis.UniversalClient }

// NewCacheStore returns a store on a client, which remains the caller's to close, and which other stores may share. It
// is an error if the client does not keep the deadlines of contexts.
func NewCacheStore(client redis.UniversalClient) (*CacheStore, error) {
	if err := check(client); err != nil {
		return nil, err
	}
	return &CacheStore{client}, nil
}

// Get is [cache.Store.Get].
func (s *CacheStore) Get(ctx context.Context, key cache.Key) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	value, err := s.client.Get(ctx, cacheKey(key)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil:
		return nil, failed(ctx, "Get", err)
	}
	return value, nil
}

// Set is [cache.Store.Set].
func (s *CacheStore) Set(ctx context.Context, key cache.Key, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.client.Set(ctx, cacheKey(key), value, max(ttl, 0)).Err(); err != nil {
		return failed(ctx, "Set", err)
	}
	return nil
}

func cacheKey(key cache.Key) string { return "llm:cache:" + key.String() }
