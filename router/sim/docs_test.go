package sim_test

import "sync"

var reports sync.Map
