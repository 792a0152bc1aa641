package router

import (
	"hash/maphash"
	"sync"
	"time"
)

// sessions remembers which deployment a session is with. It is bounded: of each shard two halves are kept, and when the
// newer is full the older is forgotten, so that what was used of late stays.
type sessions struct {
	seed   maphash.Seed
	shards [16]sessionShard
}

type sessionShard struct {
	mu           sync.Mutex
	newer, older map[string]session
}

type session struct {
	deployment string
	until      int64
}

// maxSessions bounds each half of a shard: 160,000 sessions in all, about 30 MB.
const maxSessions = 5000

func (s *sessions) shard(key string) *sessionShard {
	return &s.shards[maphash.String(s.seed, key)%uint64(len(s.shards))]
}

// get is the deployment of a session; "" if it has none.
func (s *sessions) get(key string, now int64) string {
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v, ok := sh.newer[key]
	if !ok {
		v, ok = sh.older[key]
	}
	if !ok || now >= v.until {
		return ""
	}
	return v.deployment
}

func (s *sessions) put(key, deployment string, now int64, ttl time.Duration) {
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.newer == nil || len(sh.newer) >= maxSessions {
		sh.older, sh.newer = sh.newer, make(map[string]session)
	}
	sh.newer[key] = session{deployment, now + int64(ttl)}
}
