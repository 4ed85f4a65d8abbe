package apitest

import (
	"net"
	"sync"
	"testing"
)

// Network carries connections to a server, and fails when told to.
type Network struct {
	// Address to use in place of the server's.
	Address string

	target string
	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]bool
	thaw   chan struct{} // nil unless frozen; closed when thawed
	budget int64         // bytes towards the server before all is cut; negative for no limit
	dialed int
}

// Connect returns a network in front of the server, until the test ends.
func Connect(t testing.TB, s *Server) *Network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{Address: l.Addr().String(), target: s.Address, conns: map[net.Conn]bool{}, budget: -1}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { n.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.Thaw()
		n.Cut()
		all.Wait()
	})
	return n
}

// Cut closes all connections.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut()
}

func (n *Network) cut() {
	for c := range n.conns {
		_ = c.Close()
	}
	clear(n.conns)
}

// CutAfter cuts all connections once, when so many more bytes have gone towards the server.
func (n *Network) CutAfter(bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.budget = bytes
}

// Freeze holds back everything, as a network does of which a cable was pulled.
func (n *Network) Freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.thaw == nil {
		n.thaw = make(chan struct{})
	}
}

// Thaw lets everything through again.
func (n *Network) Thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.thaw != nil {
		close(n.thaw)
		n.thaw = nil
	}
}

// Dialed returns how many connections there were.
func (n *Network) Dialed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialed
}

func (n *Network) carry(client net.Conn) {
	server, err := net.Dial("tcp", n.target)
	if err != nil {
		_ = client.Close()
		return
	}
	n.mu.Lock()
	n.conns[client], n.conns[server] = true, true
	n.dialed++
	n.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { n.copy(server, client, true) })
	both.Go(func() { n.copy(client, server, false) })
	both.Wait()
}

// copy carries bytes in one direction, and closes both ends when one is closed.
func (n *Network) copy(to, from net.Conn, counted bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		k, err := from.Read(buf)
		n.mu.Lock()
		thaw := n.thaw
		if counted && n.budget >= 0 {
			if n.budget -= int64(k); n.budget < 0 {
				n.budget = -1
				n.cut()
			}
		}
		n.mu.Unlock()
		if thaw != nil {
			<-thaw
		}
		if k > 0 {
			if _, err := to.Write(buf[:k]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
