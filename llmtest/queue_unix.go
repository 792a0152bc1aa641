//go:build unix

package llmtest

import (
	"errors"
	"net"
	"syscall"
)

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
