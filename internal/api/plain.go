package api

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/api/invite"
)

// plainListener answers people whose browser speaks HTTP without TLS, as it does when they type
// HOST:PORT only. It looks at the first byte of each connection: TLS begins with 0x16, HTTP with a
// letter.
type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainConn{Conn: c}, nil
}

// plainConn is a connection that may turn out to be plain HTTP when it is read first.
type plainConn struct {
	net.Conn

	once sync.Once
	err  error // of the first Read, set by once
}

// maxPlainHeader bounds what is read of a plain request, in bytes.
const maxPlainHeader = 8 << 10

func (c *plainConn) Read(p []byte) (n int, err error) {
	first := false
	c.once.Do(func() {
		first = true
		if n, err = c.Conn.Read(p); n > 0 && 'A' <= p[0] && p[0] <= 'Z' {
			answerPlain(c.Conn, p[:n])
			n, err = 0, io.EOF
			c.err = io.EOF
		}
	})
	if first {
		return n, err
	}
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// answerPlain reads the rest of a plain request and sends its sender to https. What was sent may
// be lost: nobody waits for this answer but a person.
func answerPlain(conn net.Conn, begin []byte) {
	_ = conn.SetDeadline(time.Now().Add(headerTimeout))
	r, err := http.ReadRequest(bufio.NewReader(io.LimitReader(io.MultiReader(bytes.NewReader(begin), conn), maxPlainHeader)))
	resp := &http.Response{
		StatusCode: http.StatusBadRequest,
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Close:      true,
	}
	text := "This port speaks TLS only: begin the address with https://\n"
	switch {
	case err != nil:
	case strings.HasPrefix(r.URL.Path, invite.JoinPath):
		text += "The invitation has just crossed the network unprotected. Ask for a new one.\n"
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Host != "":
		resp.StatusCode = http.StatusPermanentRedirect
		resp.Header.Set("Location", "https://"+r.Host+r.URL.RequestURI())
	}
	resp.ContentLength = int64(len(text))
	resp.Body = io.NopCloser(strings.NewReader(text))
	_ = resp.Write(conn)
}
