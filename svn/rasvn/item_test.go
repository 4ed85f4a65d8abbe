package rasvn

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
)

func reader(text string) *itemReader { return &itemReader{r: bufio.NewReader(strings.NewReader(text))} }

// appendItem writes an item as it came.
func appendItem(b []byte, it *item) []byte {
	switch it.kind {
	case kindWord:
		return appendWord(b, it.text)
	case kindNumber:
		return appendNumber(b, it.number)
	case kindString:
		return appendString(b, it.text)
	default:
		b = openList(b)
		for i := range it.list {
			b = appendItem(b, &it.list[i])
		}
		return closeList(b)
	}
}

// seeds are what svnserve 1.14 sends.
var seeds = []string{
	"( success ( 2 2 ( ) ( edit-pipeline svndiff1 accepts-svndiff2 absent-entries list ) ) ) ",
	"( success ( ( ANONYMOUS CRAM-MD5 ) 10:test realm ) ) ",
	"( success ( ( ) 0: ) ) ",
	"( failure ( ( 160013 33:File not found: revision 6, path  3:x.c 12 ) ) ) ",
	"( ( ( 6:/trunk A ( ) ( dir false false ) ) ( 8:/trunk/x R ( 2:/y 3 ) ( file true true ) ) ) 4 ( 5:alice ) ( 27:2026-01-02T03:04:13.000000Z ) ( 3:log ) false false 1 ( ( 8:x:client 5:havre ) ) ) ",
	"( dir 18446744073709551615 true 6 ( ) ( ) ) ",
	"5:\x00\xff\n() 0: done ",
}

func TestItems(t *testing.T) {
	for _, seed := range seeds {
		r := reader(seed)
		var got []byte
		for {
			it, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", seed, err)
			}
			if it.kind == kindList && len(it.list) > 1 && it.list[0].text == "dir" {
				if n, err := readDirent(it.list); err != nil || n.Size != 0 || n.Kind != svn.KindDir {
					t.Errorf("a directory: %+v, %v", n, err)
				}
				got = []byte(seed) // 2^64-1 is only ever read
				continue
			}
			got = appendItem(got, &it)
		}
		if string(got) != seed {
			t.Errorf("got %q, want %q", got, seed)
		}
	}
}

func TestMalformedItems(t *testing.T) {
	for _, text := range []string{
		"18446744073709551616 ", "99999999999:x", "(success)", "5:abc", "( 1 2", "1x ", "a_b ", "\x00", "HTTP/1.1 400 Bad Request\r\n",
		strings.Repeat("a", maxWord+1) + " ", strings.Repeat("( ", maxDepth+2), "3:abcd ", "( ) )",
	} {
		r := reader(text)
		var err error
		for err == nil {
			_, err = r.next()
		}
		_, bad := errors.AsType[*ProtocolError](err)
		if errors.Is(err, io.EOF) && text != "( 1 2" || !bad && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%.40q: got %v", text, err)
		}
	}
}

func FuzzItem(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := reader(text)
		for {
			it, err := r.next()
			if err != nil {
				return
			}
			again, err := reader(string(appendItem(nil, &it))).next()
			if err != nil {
				if fits(&it) {
					t.Fatalf("%q: written again it is %v", text, err)
				}
				return
			}
			if a, b := appendItem(nil, &it), appendItem(nil, &again); !slices.Equal(a, b) {
				t.Fatalf("%q: read %q, and that as %q", text, a, b)
			}
			// Whatever it is, what reads it says so or takes it.
			_, _ = readRevision(&it)
			_, _ = readEntries(&it, "")
			_, _ = readProps(&it)
			_ = readFailure(&it)
		}
	})
}

// fits says whether all numbers of an item can be written.
func fits(it *item) bool {
	return it.number < 1<<63 && !slices.ContainsFunc(it.list, func(kid item) bool { return !fits(&kid) })
}

// hostile answers each connection with a text, and then goes on as it says.
func hostile(t *testing.T, text string, then func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				go io.Copy(io.Discard, conn)
				if _, err := io.WriteString(conn, text); err == nil && then != nil {
					then(conn)
				}
			}()
		}
	}()
	return "svn://" + l.Addr().String() + "/repo"
}

func TestHostileServers(t *testing.T) {
	const greeting = "( success ( 2 2 ( ) ( edit-pipeline ) ) ) "
	const hello = greeting + "( success ( ( ANONYMOUS ) 1:x ) ) ( success ( ) ) "
	forever := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
			}
		}
	}
	silent := func(net.Conn) { <-t.Context().Done() }
	for name, tt := range map[string]struct {
		text string
		then func(net.Conn)
	}{
		"http":                    {"HTTP/1.1 400 Bad Request\r\n\r\n", nil},
		"nothing":                 {"", nil},
		"silence":                 {"", silent},
		"endless word":            {"( ", forever("aaaaaaaaaaaaaaaa")},
		"endless list":            {"( ", forever(strings.Repeat("( ) ", 10000))},
		"endless depth":           {"", forever("( ( ( ( ( ( ")},
		"endless number":          {"( success ( ", forever("1111111111")},
		"huge string":             {"( success ( 99999999999999:", silent},
		"large string, cut":       {"( success ( 200000000:abc", nil},
		"old protocol":            {"( success ( 1 1 ( ) ( ) ) ) ", silent},
		"no pipelining":           {"( success ( 2 2 ( ) ( ) ) ) ", silent},
		"unknown mechanism":       {greeting + "( success ( ( GSSAPI ) 1:x ) ) ", silent},
		"steps for ever":          {greeting + "( success ( ( ANONYMOUS ) 1:x ) ) ", forever("( step ( 1:x ) ) ")},
		"another repository":      {hello + "( success ( 1:u 21:svn://example.org/else ) ) ", silent},
		"address with line break": {hello + "( success ( 1:u 3:a\nb ) ) ", silent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), hostile(t, tt.text, tt.then), Options{Silence: 300 * time.Millisecond})
			if err == nil {
				t.Fatal("it was opened")
			}
			_, gone := errors.AsType[*svn.UnreachableError](err)
			_, bad := errors.AsType[*ProtocolError](err)
			_, refused := errors.AsType[*svn.RefusedError](err)
			if !gone && !bad && !refused {
				t.Errorf("got %v (%T)", err, err)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{
		"", "http://example.org/svn", "svn:repo", "svn:///repo", "svn+ssh://-oProxyCommand=touch%20x/repo", "svn+ssh://-v@example.org/repo",
		"svn://alice:secret@example.org/repo", "svn://example.org/repo?x=1", "svn://example.org/%zz", "file:///srv/svn",
	} {
		_, err := Open(t.Context(), address, Options{})
		if _, ok := errors.AsType[*AddressError](err); !ok {
			t.Errorf("%q: got %v (%T)", address, err, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", address, err)
		}
	}
}

// TestCancel ends a conversation with a server that says nothing.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := hostile(t, "", func(net.Conn) {
		cancel()
		<-t.Context().Done()
	})
	if _, err := Open(ctx, address, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// scripted is a connection on which the server's side was written before.
type scripted struct{ io.Reader }

func (scripted) Write(p []byte) (int, error) { return len(p), nil }
func (scripted) Close() error                { return nil }

// TestHostileFiles has a server that sends something else than it announced.
func TestHostileFiles(t *testing.T) {
	const (
		ok   = "( success ( ( ) 0: ) ) " // nobody need sign in again
		open = "( success ( 2 2 ( ) ( edit-pipeline ) ) ) ( success ( ( ANONYMOUS ) 1:x ) ) ( success ( ) ) ( success ( 1:u 20:svn://localhost/repo ) ) "
		file = ok + "( success ( ( 32:5d41402abc4b2a76b9719d911017c592 ) 1 ( ) ) ) "
		stat = ok + "( success ( ( ( file 5 false 1 ( ) ( ) ) ) ) ) " + file
		end  = "0: ( success ( ) ) "
	)
	for name, body := range map[string]string{
		"short": "4:hell " + end, "long": "3:hel 3:lo! " + end, "endless": "", "another": "5:jello " + end, "right": "5:hello " + end, "cut": "3:hel ",
	} {
		t.Run(name, func(t *testing.T) {
			from := io.Reader(strings.NewReader(open + stat + file + body))
			if body == "" {
				from = io.MultiReader(from, endless{})
			}
			r, err := Open(t.Context(), "svn://localhost/repo", Options{Dial: func(context.Context) (io.ReadWriteCloser, error) { return scripted{from}, nil }})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f, err := r.Open(t.Context(), "x", 1)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			_, bad := errors.AsType[*ProtocolError](err)
			_, other := errors.AsType[*svn.ChecksumError](err)
			_, gone := errors.AsType[*svn.UnreachableError](err)
			if len(got) > 5 || (name == "right") != (err == nil) || (name == "another") != other || (name == "cut") != gone || err != nil && !bad && !other && !gone {
				t.Errorf("%d bytes, %v (%T)", len(got), err, err)
			}
		})
	}
}

// endless are pieces of a file, for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, "1:x "), nil }
