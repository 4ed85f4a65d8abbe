package rasvn

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os/exec"
	"sync"
	"time"
)

// sshArgs are the arguments of ssh. It asks nobody: keys and known hosts are set up beforehand.
func sshArgs(u *url.URL) []string {
	args := []string{"-q", "-oBatchMode=yes", "-oServerAliveInterval=15"}
	if p := u.Port(); p != "" {
		args = append(args, "-p", p)
	}
	host := u.Hostname()
	if name := u.User.Username(); name != "" {
		host = name + "@" + host
	}
	return append(args, "--", host, "svnserve", "-t")
}

// pipe is a program's standard input and output as one connection.
type pipe struct {
	io.ReadCloser
	in    io.WriteCloser
	cmd   *exec.Cmd
	close func() error
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
func (p *pipe) Close() error { return p.close() }

func (p *pipe) end() error {
	err := p.in.Close()
	_ = p.cmd.Process.Kill() // svnserve aborts what was begun; it may have ended
	_ = p.cmd.Wait()
	return err
}

// Command starts a program that speaks the protocol on its standard input and output: "svnserve", "-t", or ssh.
// It is for Options.Dial.
func Command(ctx context.Context, name string, args ...string) (io.ReadWriteCloser, error) {
	// The program lives as long as its connection, which outlives ctx.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &pipe{ReadCloser: out, in: in, cmd: cmd}
	p.close = sync.OnceValue(p.end)
	return p, cmd.Start()
}
