//go:build !unix

package llmtest

import (
	"errors"
	"net"
)

func shrinkQueue(net.Listener) error { return errors.ErrUnsupported }
