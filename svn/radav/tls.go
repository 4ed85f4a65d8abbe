package radav

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// tlsDialer makes connections that tell why the server ended them.
type tlsDialer struct {
	*net.Dialer
	config *tls.Config
}

func (d *tlsDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&tls.Dialer{NetDialer: d.Dialer, Config: d.config}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tlsConn{Conn: c, ended: make(chan struct{})}, nil
}

// tlsConn fails to write for the reason that it fails to read, if the server gave one. With TLS 1.3 a client may
// send its first request before the server has looked at the client's certificate: the server answers with an alert
// and closes, so that writing finds a broken pipe while the reason waits to be read.
type tlsConn struct {
	net.Conn
	once  sync.Once
	ended chan struct{} // closed when reading failed
	err   error         // with which
}

func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.once.Do(func() { c.err = err; close(c.ended) })
	}
	return n, err
}

// Write relies on http.Transport, which reads from each of its connections all the time.
func (c *tlsConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	select {
	case <-c.ended:
		if alert, ok := errors.AsType[*net.OpError](c.err); ok && alert.Op == "remote error" {
			return n, c.err
		}
	case <-time.After(time.Second): // a connection whose reading has not failed by then is half closed
	}
	return n, err
}
