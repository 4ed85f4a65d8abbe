package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/home"
)

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 5, 9, 0, time.Local)
	s := &home.Status{
		Running: true, User: "ada", Device: "laptop",
		Server: home.ServerStatus{Name: "Atelier", Address: "files.example.org:7443"},
		Replicas: []home.ReplicaStatus{
			{Folder: "Team", Dir: "/home/ada/Team", State: home.StateUpToDate, Revision: 42},
			{
				Folder: "Team", Path: "Photos/2026", Dir: "/data/my photos", State: home.StateHeld, Revision: 12,
				PendingDown: 12345, PendingDownBytes: 1 << 30, PendingUp: 3, HeldUp: 2000, Watch: "5 of 9 directories are not watched",
				LastError: "no space left\non the disk", LastErrorAt: now.Add(-time.Minute),
				Problems: []home.Problem{{Path: "pipe", Text: "is a FIFO"}, {Path: "a\nb", Text: "the name: it contains a newline"}}, ProblemCount: 12,
			},
			{Folder: "Old", Dir: "/x", State: home.StateStarting, Revision: -1},
		},
	}
	want := `ada on laptop, server Atelier (files.example.org:7443)

Team: up to date, revision 42
    /home/ada/Team

Team/Photos/2026: waiting for you to decide about deletions, revision 12, 12,345 to fetch (1.0 GiB), 3 to send
    /data/my photos
    2,000 deletions here would remove files for everyone;
        let them happen:  havre deletions allow '/data/my photos'
        bring files back: havre deletions undo '/data/my photos'
    last error (14:04:09): "no space left\non the disk"
    5 of 9 directories are not watched
    12 paths cannot be kept the same:
        pipe: is a FIFO
        "a\nb": the name: it contains a newline
        and 10 more

Old: starting
    /x
`
	if diff := cmp.Diff(want, statusText(s, now)); diff != "" {
		t.Error(diff)
	}
}

func TestStatusTextWithoutClient(t *testing.T) {
	s := &home.Status{User: "ada", Device: "laptop", Server: home.ServerStatus{Name: "Atelier", Address: "h:1"}}
	want := `ada on laptop, server Atelier (h:1)

No directory is kept the same as a folder yet; add one with: havre add FOLDER DIR

No client runs here: nothing is kept the same. Start it with: havre run
`
	if diff := cmp.Diff(want, statusText(s, time.Now())); diff != "" {
		t.Error(diff)
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"grouped", grouped(1234567), "1,234,567"},
		{"grouped small", grouped(999), "999"},
		{"grouped negative", grouped(-123456), "-123,456"},
		{"one", counted(1, "file"), "1 file"},
		{"many", counted(1000, "file"), "1,000 files"},
		{"bytes", bytesShown(1023), "1023 B"},
		{"gibibytes", bytesShown(3 << 29), "1.5 GiB"},
		{"milliseconds", took(1234 * time.Millisecond), "1,234 ms"},
		{"short", shorten("abc", 3), "abc"},
		{"shortened", shorten("abcdefghij", 7), "ab…ghij"},
		{"shell: plain", quoteArg("/a/b-c"), "/a/b-c"},
		{"shell: quotes", quoteArg("it's"), `'it'\''s'`},
		{"shell: nothing", quoteArg(""), "''"},
		{"shown", shown("é x"), "é x"},
		{"shown: control", shown("a\x1bb"), `"a\x1bb"`},
		{"shown: not UTF-8", shown("a\xff"), `"a\xff"`},
		{"URL", fileURL("/a b/%/ü"), "file:///a%20b/%25/%C3%BC"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
