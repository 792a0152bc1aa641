//go:build unix

package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	logging.Disable() // servers are stopped here on purpose
	if addr := os.Getenv(processEnv); addr != "" {
		if err := process(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience bounds every wait for something that must come.
const patience = 30 * time.Second

// binaries are the servers to be tested that are installed. There must be one where everything runs.
func binaries(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, name := range []string{"redis-server", "valkey-server"} {
		if _, err := exec.LookPath(name); err == nil {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		if os.Getenv("CI") == "true" && runtime.GOOS == "linux" {
			t.Fatal("there is no redis-server here; .ci/run redis installs it")
		}
		t.Skip("NOT TESTED: there is no redis-server here; this test runs where one is installed (Debian: apt-get install redis-server)")
	}
	return found
}

// onEach runs a test for each server that is installed.
func onEach(t *testing.T, test func(t *testing.T, binary string)) {
	t.Helper()
	for _, binary := range binaries(t) {
		t.Run(binary, func(t *testing.T) { test(t, binary) })
	}
}

// server is a process of one's own, with nothing kept.
type server struct {
	binary string
	port   int
	args   []string
	cmd    *exec.Cmd
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *server) url() string  { return "redis://" + s.addr() }

// startServer starts one on a port that is free, as is that of a cluster's bus, 10,000 above.
func startServer(t testing.TB, binary string, args ...string) *server {
	t.Helper()
	for range 20 {
		s := &server{binary: binary, port: freePort(t), args: args}
		t.Cleanup(s.kill)
		if s.start(t) {
			return s
		}
	}
	t.Fatal("no server came up on any of 20 ports")
	return nil
}

// freePort looks below the ports that are given out to outgoing connections, and leaves room for the bus.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 10_000 + rand.IntN(12_000)
		if portFree(port) && portFree(port+10_000) {
			return port
		}
	}
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err == nil {
		_ = l.Close()
	}
	return err == nil
}

// start returns false if the server has ended, as it does when something else has its port.
func (s *server) start(t testing.TB) bool {
	t.Helper()
	port := strconv.Itoa(s.port)
	s.cmd = exec.Command(s.binary, append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no", "--daemonize", "no",
	}, s.args...)...)
	require.NoError(t, s.cmd.Start())
	ended := make(chan struct{})
	cmd := s.cmd
	go func() { _ = cmd.Wait(); close(ended) }()
	client := redis.NewClient(&redis.Options{Addr: s.addr(), MaxRetries: -1})
	defer client.Close()
	for deadline := time.Now().Add(patience); ; {
		info, err := client.Info(context.Background(), "server").Result()
		if err == nil {
			// It might be another's.
			return strings.Contains(info, "process_id:"+strconv.Itoa(s.cmd.Process.Pid)+"\r\n")
		}
		require.True(t, time.Now().Before(deadline), "the server does not answer: %v", err)
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *server) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(sig))
}

func (s *server) freeze(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGSTOP) }
func (s *server) thaw(t testing.TB)   { t.Helper(); s.signal(t, syscall.SIGCONT) }

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
	}
}

func open(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	c, err := Open(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func openStore(t testing.TB, url string) *RouterStore {
	t.Helper()
	s, err := NewRouterStore(open(t, url))
	require.NoError(t, err)
	return s
}

// startCluster starts three nodes with a third of the slots each, and returns the URL.
func startCluster(t testing.TB, binary string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var nodes []*redis.Client
	var addrs []string
	const slots = 16384
	for i := range 3 {
		s := startServer(t, binary, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
		c := redis.NewClient(&redis.Options{Addr: s.addr()})
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err())
		nodes, addrs = append(nodes, c), append(addrs, s.addr())
		if i > 0 {
			require.NoError(t, nodes[0].ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(s.port)).Err())
		}
	}
	for _, c := range nodes {
		require.Eventually(t, func() bool {
			info, err := c.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		}, patience, 20*time.Millisecond, "the nodes do not find each other")
	}
	return "redis://" + addrs[0] + "?addr=" + addrs[1] + "&addr=" + addrs[2]
}
