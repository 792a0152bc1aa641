//go:build unix

package llmtest

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// closedPort is an address that refuses connections: its port is taken, and nobody listens on it, until free is called.
func closedPort() (address string, free func(), err error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return "", nil, err
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback.As4()})
	var bound syscall.Sockaddr
	if err == nil {
		bound, err = syscall.Getsockname(fd)
	}
	if err != nil {
		syscall.Close(fd)
		return "", nil, err
	}
	port := uint16(bound.(*syscall.SockaddrInet4).Port)
	return netip.AddrPortFrom(loopback, port).String(), func() { syscall.Close(fd) }, nil
}

// shrinkQueue lets a listener's queue hold one connection, or as few as the system allows. (0 is the system's longest on
// some.)
func shrinkQueue(l net.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), 1) })
	return errors.Join(err, failed)
}
