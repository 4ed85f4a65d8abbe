package apiclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/apitest"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// random returns bytes that do not compress, the same ones each time.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestOpen(t *testing.T) {
	hub := apitest.NewHub()
	content := random(3 << 20)
	file := havre.FileVersion{Path: "dir/ü&=? #%.bin", Rev: 7}
	empty := havre.FileVersion{Path: "empty", Rev: 7}
	hub.Put(file, content)
	hub.Put(empty, nil)
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	for _, test := range []struct {
		name   string
		file   havre.FileVersion
		offset int64
		want   []byte
	}{
		{"all", file, 0, content},
		{"from the middle", file, 1_000_001, content[1_000_001:]},
		{"last byte", file, int64(len(content)) - 1, content[len(content)-1:]},
		{"at the end", file, int64(len(content)), nil},
		{"empty", empty, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := c.Open(t.Context(), apitest.Scope, test.file, test.offset)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("%d bytes, %v, want %d", len(got), err, len(test.want))
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, test := range []struct {
		name   string
		file   havre.FileVersion
		offset int64
		want   havre.Code
	}{
		{"no such file", havre.FileVersion{Path: "nowhere", Rev: 7}, 0, havre.CodeNotFound},
		{"path out of the folder", havre.FileVersion{Path: "../x", Rev: 7}, 0, havre.CodeInvalid},
		{"negative revision", havre.FileVersion{Path: "x", Rev: -1}, 0, havre.CodeInvalid},
		{"behind the end", file, int64(len(content)) + 1, havre.CodeUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := c.Open(t.Context(), apitest.Scope, test.file, test.offset); havre.CodeOf(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	t.Run("closed early", func(t *testing.T) {
		r, err := c.Open(t.Context(), apitest.Scope, file, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		_ = r.Close()
	})
}

func TestOpenCut(t *testing.T) {
	hub := apitest.NewHub()
	content := random(32 << 20) // more than sockets buffer
	file := havre.FileVersion{Path: "a", Rev: 1}
	hub.Put(file, content)
	s := apitest.Start(t, hub, api.Options{})
	n := apitest.Connect(t, s)
	opts := s.Options()
	opts.Address = n.Address
	c := apitest.Dial(t, opts)
	r, err := c.Open(t.Context(), apitest.Scope, file, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	n.Cut()
	rest, err := io.ReadAll(r)
	if havre.CodeOf(err) != havre.CodeUnavailable || err == nil {
		t.Fatalf("after the cut: %v", err)
	}
	_ = r.Close()
	got = slices.Concat(got, rest)
	r, err = c.Open(t.Context(), apitest.Scope, file, int64(len(got)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rest, err = io.ReadAll(r)
	if err != nil || !bytes.Equal(slices.Concat(got, rest), content) {
		t.Errorf("%d bytes and the %d from there are not the file (%v)", len(got), len(rest), err)
	}
}

// damagedHub serves contents whose checksum turns out to be wrong at the end.
type damagedHub struct{ *apitest.Hub }

func (h damagedHub) Open(ctx context.Context, caller *havre.Caller, scope havre.Scope, file havre.FileVersion) (f svn.File, err error) {
	f, err = h.Hub.Open(ctx, caller, scope, file)
	if file, ok := f.(*apitest.File); ok {
		file.Damage = errors.New("checksum mismatch")
	}
	return f, err
}

func TestDamageIsNotDelivered(t *testing.T) {
	hub := apitest.NewHub()
	file := havre.FileVersion{Path: "a", Rev: 1}
	hub.Put(file, random(1000))
	c := apitest.Start(t, damagedHub{hub}, api.Options{}).Client(t)
	r, err := c.Open(t.Context(), apitest.Scope, file, 0)
	if err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	if err == nil {
		t.Error("Open delivered a damaged file without an error")
	}
	err = c.Fetch(t.Context(), apitest.Scope, []havre.FileVersion{file}, func(_ int, _ []byte, err error) error { return err })
	if havre.CodeOf(err) != havre.CodeInternal || err == nil {
		t.Errorf("Fetch: %v", err)
	}
}

func TestUpload(t *testing.T) {
	hub := apitest.NewHub()
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	for _, size := range []int{0, 1, 1 << 20, 65 << 20} {
		content := random(size)
		var told []havre.UploadID
		id, err := c.Upload(t.Context(), apitest.Scope, bytes.NewReader(content), int64(size), "", func(id havre.UploadID) { told = append(told, id) })
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(hub.Upload(id), content) {
			t.Errorf("%d bytes: the server has %d", size, len(hub.Upload(id)))
		}
		if len(told) != 1 || told[0] != id {
			t.Errorf("began was called with %q, the upload is %q", told, id)
		}
		again, err := c.Upload(t.Context(), apitest.Scope, bytes.NewReader(content), int64(size), id, nil)
		if err != nil || again != id {
			t.Errorf("resumed: %q, %v, want %q", again, err, id)
		}
	}
}

func TestUploadResumes(t *testing.T) {
	hub := apitest.NewHub()
	s := apitest.Start(t, hub, api.Options{})
	n := apitest.Connect(t, s)
	opts := s.Options()
	opts.Address = n.Address
	c := apitest.Dial(t, opts)
	content := random(24 << 20)
	began := 0
	n.CutAfter(9 << 20)
	reader := &countingReader{r: bytes.NewReader(content)}
	id, err := c.Upload(t.Context(), apitest.Scope, reader, int64(len(content)), "", func(havre.UploadID) { began++ })
	if err != nil || !bytes.Equal(hub.Upload(id), content) {
		t.Fatalf("%v; the server has %d bytes", err, len(hub.Upload(id)))
	}
	if began != 1 {
		t.Errorf("began was called %d times", began)
	}
	if again := reader.n - len(content); again > 8<<20 {
		t.Errorf("%d bytes were sent twice", again)
	}
}

type countingReader struct {
	r *bytes.Reader
	n int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += n
	return n, err
}

func TestUploadForgotten(t *testing.T) {
	hub := apitest.NewHub()
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	id, err := c.Upload(t.Context(), apitest.Scope, strings.NewReader("contents"), 8, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	hub.Forget(id)
	id, err = c.Upload(t.Context(), apitest.Scope, strings.NewReader("contents"), 8, id, nil)
	if err != nil || string(hub.Upload(id)) != "contents" {
		t.Errorf("%v; the server has %q", err, hub.Upload(id))
	}
}

func TestUploadFails(t *testing.T) {
	hub := apitest.NewHub()
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	t.Run("file became shorter", func(t *testing.T) {
		_, err := c.Upload(t.Context(), apitest.Scope, strings.NewReader("short"), 1000, "", nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("file cannot be read", func(t *testing.T) {
		errDisk := errors.New("bad sector")
		_, err := c.Upload(t.Context(), apitest.Scope, badDisk{errDisk}, 1000, "", nil)
		if !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("server is full", func(t *testing.T) {
		hub.Fail = func(method string) error {
			if method == "WriteUpload" {
				return &havre.Error{Code: havre.CodeFull, Text: "the server's disk is full"}
			}
			return nil
		}
		content := &countingReader{r: bytes.NewReader(random(32 << 20))}
		_, err := c.Upload(t.Context(), apitest.Scope, content, 32<<20, "", nil)
		if havre.CodeOf(err) != havre.CodeFull {
			t.Errorf("got %v", err)
		}
		if content.n > 0 {
			t.Errorf("%d bytes were sent for nothing", content.n)
		}
		hub.Fail = nil
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := c.Upload(ctx, apitest.Scope, bytes.NewReader(random(8<<20)), 8<<20, "", func(havre.UploadID) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

type badDisk struct{ err error }

func (b badDisk) ReadAt([]byte, int64) (int, error) { return 0, b.err }
