package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn/svntest"
)

var demoReady = regexp.MustCompile(`(?m)^ready.*$`)

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with space")
	d := start(t, "demo", "--dir", dir)
	d.await(demoReady)

	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	arrives := func(name, want string) {
		t.Helper()
		eventually(t, name, func() error {
			got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err == nil && string(got) != want {
				err = os.ErrInvalid
			}
			return err
		})
	}
	write("laptop/from laptop.txt", "1")
	arrives("desktop/from laptop.txt", "1")
	write("desktop/from desktop.txt", "2")
	arrives("laptop/from desktop.txt", "2")

	// Each change has a line, on both devices, with revision and time.
	d.await(regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d +laptop +↑ added +from laptop\.txt +r\d+ +[\d.,]+ ms$`))
	d.await(regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d +desktop +↓ added +from laptop\.txt +r\d+ +[\d.,]+ ms$`))

	// The commands that it printed work.
	for _, pattern := range []string{`(?m)^  svn log -v (\S+)$`, `(?m)^  svn checkout (\S+) \S+`} {
		m := regexp.MustCompile(pattern).FindStringSubmatch(d.out.String())
		if m == nil {
			t.Fatalf("nothing like %s in:\n%s", pattern, d.out)
		}
		url := strings.Trim(m[1], "'")
		if log := svntest.Run(t, "svn", "log", "-v", url); !strings.Contains(log, "/from laptop.txt") {
			t.Errorf("svn log says:\n%s", log)
		}
	}
	d.stop()

	// The second time goes on, with what changed in between.
	write("laptop/between.txt", "3")
	again := start(t, "demo", "--dir", dir)
	again.await(demoReady)
	arrives("desktop/between.txt", "3")
	again.stop()
	verify(t, filepath.Join(dir, "server", "repositories", "demo"))
}
