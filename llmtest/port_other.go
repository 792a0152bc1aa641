//go:build !unix

package llmtest

import (
	"errors"
	"net"
)

// closedPort is an address that refuses connections: one that was free a moment ago.
func closedPort() (address string, free func(), err error) {
	l, err := listen()
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}

func shrinkQueue(net.Listener) error { return errors.ErrUnsupported }
