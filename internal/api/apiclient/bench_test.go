package apiclient_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/apitest"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// BenchmarkCommit is the round trip of one small file, the hub's own work not counted.
func BenchmarkCommit(b *testing.B) {
	c := apitest.Start(b, apitest.NewHub(), api.Options{}).Client(b)
	content := random(1 << 10)
	commit := &havre.Commit{Changes: []havre.Change{{
		Kind: havre.ChangePut, Path: "a/b", Content: content, Entry: havre.Entry{Kind: havre.KindFile, Size: 1 << 10},
	}}}
	for b.Loop() {
		commit.ID = fmt.Sprint(b.N)
		if _, err := c.Commit(b.Context(), apitest.Scope, commit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	hub := apitest.NewHub()
	c := apitest.Start(b, hub, api.Options{}).Client(b)
	content := random(256 << 20)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		id, err := c.Upload(b.Context(), apitest.Scope, bytes.NewReader(content), int64(len(content)), "", nil)
		if err != nil {
			b.Fatal(err)
		}
		hub.Forget(id)
	}
}

func BenchmarkOpen(b *testing.B) {
	hub := apitest.NewHub()
	file := havre.FileVersion{Path: "a", Rev: 1}
	content := random(256 << 20)
	hub.Put(file, content)
	c := apitest.Start(b, hub, api.Options{}).Client(b)
	b.SetBytes(int64(len(content)))
	buf := make([]byte, 256<<10)
	for b.Loop() {
		r, err := c.Open(b.Context(), apitest.Scope, file, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf); err != nil {
			b.Fatal(err)
		}
		_ = r.Close()
	}
}

// BenchmarkFetch is 4,096 files of 4 KiB, which compress or do not.
func BenchmarkFetch(b *testing.B) {
	text := []byte(strings.Repeat("All human beings are born free and equal in dignity and rights. ", 64))
	for _, kind := range []string{"random", "text"} {
		b.Run(kind, func(b *testing.B) {
			hub := apitest.NewHub()
			noise := random(16 << 20)
			var files []havre.FileVersion
			for i := range 4096 {
				v := havre.FileVersion{Path: svn.Path(fmt.Sprint(i)), Rev: 1}
				content := noise[i<<12 : (i+1)<<12]
				if kind == "text" {
					content = append([]byte(fmt.Sprint(i)), text...)[:4096]
				}
				hub.Put(v, content)
				files = append(files, v)
			}
			c := apitest.Start(b, hub, api.Options{}).Client(b)
			b.SetBytes(16 << 20)
			for b.Loop() {
				err := c.Fetch(b.Context(), apitest.Scope, files, func(_ int, _ []byte, err error) error { return err })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
