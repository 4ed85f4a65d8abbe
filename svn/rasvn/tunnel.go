package rasvn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// TunnelReason says in which way ssh failed.
type TunnelReason uint8

// The reasons, as OpenSSH 9 words them.
const (
	TunnelNoProgram  TunnelReason = iota + 1 // there is no ssh on this machine
	TunnelUnknownKey                         // ssh does not know the key of the host
	TunnelChangedKey                         // the host has another key than ssh knows
	TunnelDenied                             // the host accepts none of our keys
	TunnelNoServer                           // there is no svnserve on the host
)

// TunnelError says why ssh does not reach svnserve, where asking again would not help.
type TunnelError struct {
	Server string // host, with its port if the address has one
	Reason TunnelReason
	Text   string // what ssh said last
}

func (e *TunnelError) Error() string { return fmt.Sprintf("ssh to %s: %s", e.Server, e.Text) }

// sshArgs are the arguments of ssh. It asks nobody: keys and known hosts are set up beforehand.
func sshArgs(u *url.URL) []string {
	args := []string{"-oLogLevel=ERROR", "-oBatchMode=yes", "-oServerAliveInterval=15"}
	if p := u.Port(); p != "" {
		args = append(args, "-p", p)
	}
	host := u.Hostname()
	if name := u.User.Username(); name != "" {
		host = name + "@" + host
	}
	return append(args, "--", host, "svnserve", "-t")
}

// sshFailure says more of err, with which a connection was lost, by what ssh said and the status it ended with.
func sshFailure(err *svn.UnreachableError, status int, said string) error {
	last := said[strings.LastIndexByte(said, '\n')+1:]
	e := &TunnelError{Server: err.Server, Text: last}
	switch {
	case strings.Contains(said, "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		e.Reason = TunnelChangedKey
	case strings.Contains(said, "Host key verification failed"):
		e.Reason = TunnelUnknownKey
	case strings.Contains(said, ": Permission denied ("):
		e.Reason = TunnelDenied
	case status == 127: // of the shell over there
		e.Reason = TunnelNoServer
	case last != "":
		return &svn.UnreachableError{Server: err.Server, Err: fmt.Errorf("ssh: %s", last)}
	default:
		return err
	}
	return e
}

// dialSSH starts ssh.
func dialSSH(ctx context.Context, u *url.URL) (io.ReadWriteCloser, error) {
	p, err := start(ctx, "ssh", sshArgs(u)...)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, &TunnelError{u.Host, TunnelNoProgram, "there is no such program on this machine"}
	}
	if err != nil {
		return nil, err
	}
	p.failure = sshFailure
	return p, nil
}

// pipe is a program's standard input and output as one connection.
type pipe struct {
	io.ReadCloser
	in      io.WriteCloser
	cmd     *exec.Cmd
	said    tail
	failure func(err *svn.UnreachableError, status int, said string) error // nil: nothing is known of its words
	once    sync.Once
	err     error
}

func (p *pipe) Write(b []byte) (int, error) { return p.in.Write(b) }

// SetDeadline bounds reading and writing where the system can do so with pipes.
func (p *pipe) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline bounds reading.
func (p *pipe) SetReadDeadline(t time.Time) error {
	if d, ok := p.ReadCloser.(deadliner); ok {
		return d.SetReadDeadline(t)
	}
	return errors.ErrUnsupported
}

// SetWriteDeadline bounds writing.
func (p *pipe) SetWriteDeadline(t time.Time) error {
	if d, ok := p.in.(deadliner); ok {
		return d.SetWriteDeadline(t)
	}
	return errors.ErrUnsupported
}

// Close ends the program. It may be called from several goroutines.
func (p *pipe) Close() error {
	p.end(0)
	return p.err
}

// end ends the program, which may take its time to end by itself.
func (p *pipe) end(grace time.Duration) {
	p.once.Do(func() {
		p.err = p.in.Close()
		// svnserve aborts what was begun; it may have ended.
		kill := time.AfterFunc(grace, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait()
		kill.Stop()
	})
}

// why says more of err, with which a conversation ended before it began.
func (p *pipe) why(err error) error {
	lost, ok := errors.AsType[*svn.UnreachableError](err)
	if !ok || p.failure == nil {
		return err
	}
	p.end(2 * time.Second) // it has closed its output: it is about to say why
	return p.failure(lost, p.cmd.ProcessState.ExitCode(), p.said.String())
}

// Command starts a program that speaks the protocol on its standard input and output: "svnserve", "-t", or ssh.
// It is for Options.Dial.
func Command(ctx context.Context, name string, args ...string) (io.ReadWriteCloser, error) {
	p, err := start(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func start(ctx context.Context, name string, args ...string) (*pipe, error) {
	// The program lives as long as its connection, which outlives ctx.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	cmd.WaitDelay = time.Second // what it started itself may hold its error output, as ssh's ControlPersist does
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &pipe{ReadCloser: out, in: in, cmd: cmd}
	cmd.Stderr = &p.said
	return p, cmd.Start()
}

// tail keeps the last that was written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// maxTail is how many bytes it keeps.
const maxTail = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - maxTail; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(strings.ToValidUTF8(string(bytes.TrimSpace(t.b)), "?"), "\r", "")
}
