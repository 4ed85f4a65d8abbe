package rasvn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// session is one connection, for one goroutine.
type session struct {
	conn   io.ReadWriteCloser
	read   itemReader
	write  *bufio.Writer
	server string      // for errors
	opened bool        // the greeting is over
	used   bool        // it has answered a command
	held   bool        // what it is used for outlives the conversation
	broken bool        // it must not be used again
	ended  atomic.Bool // the context of the conversation did
	idle   time.Duration

	auth *authentication

	uuid, root   string
	capabilities map[string]bool
	buf          []byte
}

// deadliner is what connections over the network can and pipes of a program cannot always do.
type deadliner interface {
	SetDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// guard makes the end of ctx end the reads and writes of the session, until the returned function is
// called.
func (s *session) guard(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() {
		s.ended.Store(true)
		if d, ok := s.conn.(deadliner); ok && d.SetDeadline(time.Unix(1, 0)) == nil {
			return
		}
		_ = s.conn.Close()
	})
	return func() {
		if !stop() {
			s.broken = true
		}
	}
}

// patience gives the other side time to send something, as much as it likes with 0.
func (s *session) patience(d time.Duration) {
	if c, ok := s.conn.(deadliner); ok {
		var until time.Time
		if d > 0 {
			until = time.Now().Add(d)
		}
		_ = c.SetReadDeadline(until) // a connection that is closed says so at the next read
		if s.ended.Load() {
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

func (s *session) close() {
	s.broken = true
	_ = s.conn.Close() // nothing is waiting in it
}

// lost makes an error of the connection one that says so, and the session useless.
func (s *session) lost(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s.broken = true
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := errors.AsType[*ProtocolError](err); ok {
		return fmt.Errorf("%s: %w", s.server, err)
	}
	return &svn.UnreachableError{Server: s.server, Err: unexpected(err)}
}

// opening is what a session is opened with.
type opening struct {
	url    string // as the server is to see it
	server string
	tunnel bool // what comes before the greeting is passed over
	auth   authentication
	idle   time.Duration
}

// open greets the server and signs in.
func open(ctx context.Context, conn io.ReadWriteCloser, o *opening) (*session, error) {
	s := &session{
		conn: conn, server: o.server, auth: &o.auth, idle: o.idle,
		read: itemReader{r: bufio.NewReaderSize(conn, 32<<10)}, write: bufio.NewWriterSize(conn, 32<<10),
	}
	defer s.guard(ctx)()
	if err := s.greet(ctx, o); err != nil {
		if p, ok := conn.(*pipe); ok {
			err = p.why(err)
		}
		s.close()
		return nil, err
	}
	s.opened = true
	return s, nil
}

func (s *session) greet(ctx context.Context, o *opening) error {
	greeting, err := s.greeting(ctx, o.tunnel)
	if err != nil {
		return err
	}
	f, err := greeting.fields(4)
	if err != nil {
		return s.lost(ctx, err)
	}
	if f[0].number > 2 || f[1].number < 2 {
		return s.lost(ctx, malformed("the server speaks versions %d to %d, this is version 2", f[0].number, f[1].number))
	}
	s.capabilities = map[string]bool{}
	for i := range f[3].list {
		s.capabilities[f[3].list[i].text] = true
	}
	if !s.capabilities["edit-pipeline"] {
		return s.lost(ctx, malformed("the server is too old: it cannot pipeline edits"))
	}
	b := openList(s.buf[:0])
	b = appendNumber(b, 2)
	b = openList(b)
	for _, word := range []string{"edit-pipeline", "svndiff1", "absent-entries", "depth", "mergeinfo", "log-revprops"} {
		b = appendWord(b, word)
	}
	b = closeList(b)
	b = appendString(b, o.url)
	b = appendString(b, "SVN/1.14.2 (havre)")
	b = closeList(append(b, "( ) "...))
	if err := s.send(ctx, b); err != nil {
		return err
	}
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	info, err := s.result(ctx)
	if err != nil {
		return err
	}
	if f, err = info.fields(2); err == nil {
		if s.uuid, err = f[0].str(); err == nil {
			s.root, err = f[1].str()
		}
	}
	return s.lost(ctx, err)
}

// greeting reads the first item. Behind a tunnel anything may come before it.
func (s *session) greeting(ctx context.Context, tunnel bool) (*item, error) {
	if !tunnel {
		return s.result(ctx)
	}
	err := s.read.skipToGreeting()
	if err == nil {
		s.read.left = maxItem
		var params item
		if params, err = s.read.item(1); err == nil {
			if err = s.read.end(); err == nil {
				return &params, nil
			}
		}
	}
	return nil, s.lost(ctx, err)
}

// send writes and flushes.
func (s *session) send(ctx context.Context, b []byte) error {
	s.buf = b[:0]
	if err := s.put(b); err != nil {
		return s.lost(ctx, err)
	}
	return s.lost(ctx, s.flush())
}

// flush sends what was put.
func (s *session) flush() error {
	if c, ok := s.conn.(deadliner); ok {
		_ = c.SetWriteDeadline(time.Now().Add(s.idle)) // as in patience
	}
	return s.write.Flush()
}

// put writes what need not go out at once.
func (s *session) put(b []byte) error {
	if c, ok := s.conn.(deadliner); ok && len(b) > s.write.Available() {
		_ = c.SetWriteDeadline(time.Now().Add(s.idle)) // as in patience
	}
	_, err := s.write.Write(b)
	return err
}

// next reads an item.
func (s *session) next(ctx context.Context) (*item, error) {
	s.patience(s.idle)
	it, err := s.read.next()
	return &it, s.lost(ctx, err)
}

// result reads the answer to something: what is in its success, or its failure as an error.
func (s *session) result(ctx context.Context) (*item, error) {
	it, err := s.next(ctx)
	if err != nil {
		return nil, err
	}
	return s.outcome(ctx, it)
}

// outcome takes an answer apart. An error of the server's leaves the session usable.
func (s *session) outcome(ctx context.Context, it *item) (*item, error) {
	f, err := it.fields(2)
	if err != nil {
		return nil, s.lost(ctx, err)
	}
	switch f[0].text {
	case "success":
		return &f[1], nil
	case "failure":
		return nil, readFailure(&f[1])
	default:
		return nil, s.lost(ctx, malformed("an answer %q", f[0].text))
	}
}

// call sends a command, its parameters with the parentheses around them, and returns its answer.
func (s *session) call(ctx context.Context, name string, params []byte) (*item, error) {
	if err := s.start(ctx, name, params); err != nil {
		return nil, err
	}
	return s.answer(ctx)
}

// start sends a command.
func (s *session) start(ctx context.Context, name string, params []byte) error {
	return s.send(ctx, appendCommand(s.buf[:0], name, params))
}

func appendCommand(b []byte, name string, params []byte) []byte {
	b = appendWord(openList(b), name)
	b = append(openList(b), params...)
	return closeList(closeList(b))
}

// answer reads the two answers of a command: whether somebody has to sign in, and its own.
func (s *session) answer(ctx context.Context) (*item, error) {
	if err := s.permitted(ctx); err != nil {
		return nil, err
	}
	return s.result(ctx)
}

// permitted reads the request to sign in that comes before every answer.
func (s *session) permitted(ctx context.Context) error {
	err := s.authenticate(ctx)
	s.used = s.used || err == nil
	return err
}

// tcp connects over the network.
func tcp(ctx context.Context, address string) (io.ReadWriteCloser, error) {
	d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}
	return d.DialContext(ctx, "tcp", address)
}
