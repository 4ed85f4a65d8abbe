package main

import (
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestByHand is the path of the README.
func TestByHand(t *testing.T) {
	s := newSite(t)
	if !strings.Contains(s.server.out.String(), "first start") || invitationPattern.FindString(s.server.out.String()) == "" {
		t.Errorf("the first start says:\n%s", s.server.out)
	}

	// The administrator's own machine joins with what the first start printed.
	laptop := &client{site: s, name: "laptop", home: filepath.Join(s.dir, "home-laptop"), dir: filepath.Join(s.dir, "laptop")}
	out := do(t, "join", "--home", laptop.home, "--name", "laptop", invitationPattern.FindString(s.server.out.String()))
	if !strings.Contains(out, "Team (manage)") {
		t.Errorf("join says:\n%s", out)
	}
	laptop.write("before.txt", "was there before")
	do(t, "add", "--home", laptop.home, "Team", laptop.dir)
	laptop.start()

	// Another person gets an account and a right while the server runs.
	invitation := invitationPattern.FindString(do(t, "user", "add", "--data", s.data(), "ada"))
	do(t, "grant", "--data", s.data(), "Team", "ada=write")
	ada := &client{site: s, name: "ada", home: filepath.Join(s.dir, "home-ada"), dir: filepath.Join(s.dir, "ada")}
	do(t, "join", "--home", ada.home, "--name", "desk", invitation)
	do(t, "add", "--home", ada.home, "team", ada.dir) // the case of the name does not count
	ada.start()

	ada.awaitContent("before.txt", "was there before")
	ada.write("Letters/to Ben.txt", "Dear Ben")
	laptop.awaitContent("Letters/to Ben.txt", "Dear Ben")
	s.settled(tree{"before.txt": "was there before", "Letters": "dir", "Letters/to Ben.txt": "Dear Ben"}, laptop, ada)

	// Subversion's own client reads what is there, and who it was.
	checkout := filepath.Join(s.dir, "checkout")
	svntest.Run(t, "svn", "checkout", "-q", fileURL(s.repository()), checkout)
	if got, err := os.ReadFile(filepath.Join(checkout, "Letters", "to Ben.txt")); err != nil || string(got) != "Dear Ben" {
		t.Errorf("svn checkout: %q, %v", got, err)
	}
	log := svntest.Run(t, "svn", "log", "-v", "--xml", fileURL(s.repository()))
	var entries struct {
		Logentry []struct {
			Author string `xml:"author"`
			Paths  struct {
				Path []string `xml:"path"`
			} `xml:"paths"`
		} `xml:"logentry"`
	}
	if err := xml.Unmarshal([]byte(log), &entries); err != nil {
		t.Fatal(err)
	}
	authors := map[string]string{}
	for _, e := range entries.Logentry {
		for _, p := range e.Paths.Path {
			authors[p] = e.Author
		}
	}
	if authors["/before.txt"] != "admin" || authors["/Letters/to Ben.txt"] != "ada" {
		t.Errorf("authors: %v", authors)
	}

	// A commit by Subversion's own client reaches both.
	if err := os.WriteFile(filepath.Join(checkout, "before.txt"), []byte("changed by svn"), 0o644); err != nil {
		t.Fatal(err)
	}
	svntest.Run(t, "svn", "commit", "-q", "-m", "by svn", checkout)
	laptop.awaitContent("before.txt", "changed by svn")
	ada.awaitContent("before.txt", "changed by svn")

	// Leaving one directory keeps its files; leaving the server ends the client's device.
	do(t, "leave", "--home", ada.home, ada.dir)
	laptop.write("later.txt", "x")
	s.converge(laptop)
	if _, err := os.Stat(ada.path("before.txt")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(ada.path("later.txt")); err == nil {
		t.Error("a directory that was left gets files")
	}
	do(t, "leave", "--home", ada.home, "--all")
	<-ada.process.done
	if r := try(t, "status", "--home", ada.home); r.code != exitFailed || !strings.Contains(r.err, "havre join") {
		t.Errorf("status after leaving: %+v", r)
	}
	if out := do(t, "device", "list", "--data", s.data()); !regexp.MustCompile(`ada/desk\s+revoked`).MatchString(out) {
		t.Errorf("device list says:\n%s", out)
	}

	laptop.process.stop()
	s.server.stop()
	verify(t, s.repository())

	// The second start knows everything.
	s.start()
	if strings.Contains(s.server.out.String(), "first start") || !strings.Contains(s.server.out.String(), "2 users, 2 devices, 1 folder") {
		t.Errorf("the second start says:\n%s", s.server.out)
	}
}

// TestEveryDay is what people do with files.
func TestEveryDay(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]

	laptop.write("a/b/c.txt", "one")
	laptop.write("empty", "")
	if err := os.MkdirAll(laptop.path("empty-dir/inside"), 0o755); err != nil {
		t.Fatal(err)
	}
	desktop.awaitContent("a/b/c.txt", "one")
	desktop.write("a/b/c.txt", "two")
	laptop.awaitContent("a/b/c.txt", "two")

	laptop.rename("a/b", "a/moved")
	desktop.awaitContent("a/moved/c.txt", "two")
	desktop.awaitGone("a/b")
	desktop.rename("a/moved/c.txt", "c.txt")
	laptop.awaitContent("c.txt", "two")

	if err := os.Symlink("c.txt", laptop.path("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(desktop.path("tool.sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	desktop.remove("empty")
	laptop.awaitGone("empty")
	s.settled(tree{
		"a": "dir", "a/moved": "dir", "c.txt": "two", "empty-dir": "dir", "empty-dir/inside": "dir",
		"link": "-> c.txt", "tool.sh": "x #!/bin/sh\n",
	}, laptop, desktop)

	// A file becomes a directory, and a directory a file.
	laptop.remove("c.txt")
	laptop.write("c.txt/inside", "x")
	laptop.remove("a")
	laptop.write("a", "a file now")
	desktop.awaitContent("c.txt/inside", "x")
	desktop.awaitContent("a", "a file now")
	s.converge(laptop, desktop)

	log := svntest.Run(t, "svn", "log", "-v", fileURL(s.repository()))
	for _, want := range []string{`A /a/moved (from /a/b:`, `A /c.txt (from /a/moved/c.txt:`} {
		if !strings.Contains(log, want) {
			t.Errorf("svn log shows no %q:\n%s", want, log)
		}
	}
	verify(t, s.repository())
}

// TestHostileNames: what a disk can have.
func TestHostileNames(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	want := tree{}
	for _, name := range []string{
		" leading and trailing ", "quote'\"`$(x)", "back\\slash", "-n", "100%25", "#hash?query=1", "tab\there", "esc\x1b[2J",
		"emoji 🦭", "caf\u00e9 NFC", "cafe\u0301 NFD", strings.Repeat("é", 127) + "x", "svn:special", ".svn", "...", "a:b*c|d<e>", "@HEAD", "x@1",
	} {
		want[name] = "contents of " + name
		laptop.write(name, want[name])
	}
	s.settled(want, laptop, desktop)
	laptop.rename("x@1", "y@2@")
	delete(want, "x@1")
	want["y@2@"] = "contents of x@1"
	s.settled(want, laptop, desktop)
	verify(t, s.repository())
}

// TestWhatCannotBeSynchronised is reported in the status, and holds nothing up.
func TestWhatCannotBeSynchronised(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the names are Unix's")
	}
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	makeFIFO(t, laptop.path("pipe"))
	socket, err := net.Listen("unix", laptop.path("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	laptop.write("new\nline", "x")
	laptop.write("bad\xff", "x")
	laptop.write("good.txt", "good")
	desktop.awaitContent("good.txt", "good")

	want := []string{"pipe", "socket", "new\nline", "bad\xff"}
	eventually(t, "the status names what is left out", func() error {
		st, err := laptop.status()
		if err != nil {
			return err
		}
		said := map[string]string{}
		for _, p := range st.Replicas[0].Problems {
			said[string(p.Path)] = p.Text
		}
		if int64(len(want)) != st.Replicas[0].ProblemCount {
			return fmt.Errorf("%d problems: %q", st.Replicas[0].ProblemCount, said)
		}
		return nil
	})
	text := do(t, "status", "--home", laptop.home)
	for _, word := range []string{"4 paths cannot be kept the same", "pipe: ", "FIFO", "socket: ", `new\nline`} {
		if !strings.Contains(text, word) {
			t.Errorf("status does not say %q:\n%s", word, text)
		}
	}
	// They go away, and so does the complaint.
	laptop.remove("pipe")
	laptop.remove("new\nline")
	laptop.remove("bad\xff")
	socket.Close()
	laptop.remove("socket")
	eventually(t, "the complaints go away", func() error {
		r, err := laptop.upToDate()
		if err == nil && r.ProblemCount != 0 {
			err = fmt.Errorf("still: %v", r.Problems)
		}
		return err
	})
	s.settled(tree{"good.txt": "good"}, laptop, desktop)
}

// TestOffline: both sides change while the server is away, also the same file.
func TestOffline(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	laptop.write("same.txt", "base")
	laptop.write("dir/kept.txt", "base")
	s.settled(tree{"same.txt": "base", "dir": "dir", "dir/kept.txt": "base"}, laptop, desktop)

	s.server.stop()
	for _, c := range cs {
		eventually(t, c.name+" notices", func() error {
			st, err := c.status()
			if err == nil && st.Replicas[0].State != home.StateOffline {
				err = fmt.Errorf("state %s", st.Replicas[0].State)
			}
			return err
		})
	}
	if text := do(t, "status", "--home", laptop.home); !strings.Contains(text, "offline") {
		t.Errorf("status says:\n%s", text)
	}
	laptop.write("same.txt", "by laptop")
	desktop.write("same.txt", "by desktop")
	laptop.write("only-laptop", "1")
	desktop.write("only-desktop", "2")
	laptop.rename("dir", "renamed")
	desktop.write("dir/kept.txt", "edited in the old place")
	s.start()

	var got tree
	eventually(t, "everything is there", func() error {
		got = s.converge(laptop, desktop)
		if got["only-laptop"] != "1" || got["only-desktop"] != "2" || got["renamed/kept.txt"] != "edited in the old place" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	var contents []string
	for name, content := range got {
		if strings.HasPrefix(name, "same") {
			contents = append(contents, content)
			if name != "same.txt" && !regexp.MustCompile(`^same \(conflict, (laptop|desktop), \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)\.txt$`).MatchString(name) {
				t.Errorf("name of the conflict: %q", name)
			}
		}
	}
	if len(contents) != 2 || contents[0] == contents[1] {
		t.Errorf("both versions are wanted, got %q", contents)
	}
	verify(t, s.repository())
}

// TestRevoked: a device that was revoked stops, and says so.
func TestRevoked(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	do(t, "device", "revoke", "--data", s.data(), "admin/desktop")
	eventually(t, "the device stops", func() error {
		st, err := desktop.status()
		if err == nil && (st.Replicas[0].State != home.StateStopped || st.Replicas[0].LastError == "") {
			err = fmt.Errorf("state %s, %q", st.Replicas[0].State, st.Replicas[0].LastError)
		}
		return err
	})
	laptop.write("secret", "x")
	s.converge(laptop)
	if _, err := os.Stat(desktop.path("secret")); err == nil {
		t.Error("a revoked device gets files")
	}
}
