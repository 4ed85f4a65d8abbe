package api

import (
	"net"
	"sync"
	"time"
)

// Meter counts the bytes of all connections, encrypted as they are on the wire, minute by minute for
// the last hour. It is safe for concurrent use.
type Meter struct {
	now func() time.Time

	mu      sync.Mutex // guards the following
	minutes [60]traffic
}

type traffic struct {
	minute  int64 // since 1970
	in, out int64
}

// NewMeter returns a meter that stands at zero.
func NewMeter() *Meter { return &Meter{now: time.Now} }

// Listener returns l with connections that are counted.
func (m *Meter) Listener(l net.Listener) net.Listener { return &meteredListener{l, m} }

// LastHour returns the bytes that came in and went out in the last hour.
func (m *Meter) LastHour() (in, out int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := m.now().Unix()/60 - int64(len(m.minutes))
	for _, t := range m.minutes {
		if t.minute > oldest {
			in, out = in+t.in, out+t.out
		}
	}
	return in, out
}

func (m *Meter) add(in, out int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	minute := m.now().Unix() / 60
	t := &m.minutes[minute%int64(len(m.minutes))]
	if t.minute != minute {
		*t = traffic{minute: minute}
	}
	t.in += int64(in)
	t.out += int64(out)
}

type meteredListener struct {
	net.Listener
	meter *Meter
}

func (l *meteredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &meteredConn{c, l.meter}, nil
}

type meteredConn struct {
	net.Conn
	meter *Meter
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.add(n, 0)
	return n, err
}

func (c *meteredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.meter.add(0, n)
	return n, err
}
