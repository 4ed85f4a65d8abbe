package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// device pairs a device of a person.
func (s *testServer) device(person, name, platform string) *havre.Caller {
	s.t.Helper()
	inv, err := s.hub.Admin(store.Console).Invite(s.t.Context(), person)
	if err != nil {
		s.t.Fatal(err)
	}
	joined, err := s.hub.Join(s.t.Context(), havre.JoinRequest{Secret: inv.Secret, DeviceName: name, Platform: platform, ClientVersion: "1.4.2"})
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.hub.Authenticate(havre.WithPeer(s.t.Context(), "192.0.2.9:50000"), joined.Token)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// report says where replicas of a device are.
func (s *testServer) report(c *havre.Caller, reports ...havre.ReplicaReport) []havre.HeldDecision {
	s.t.Helper()
	answer, err := s.hub.Report(s.t.Context(), c, reports)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.Decisions
}

// replica is a report about a folder.
func (s *testServer) replica(folder, place string, rev svn.Revnum) havre.ReplicaReport {
	return havre.ReplicaReport{Scope: havre.Scope{Folder: s.folder(folder).ID}, Revision: rev, Place: place}
}

// follow keeps a stream open and returns a channel that has its end.
func (s *testServer) follow(c *havre.Caller, folder string) <-chan error {
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(s.t.Context())
	s.t.Cleanup(stop)
	scope, head := havre.Scope{Folder: s.folder(folder).ID}, s.head(folder)
	go func() { ended <- s.hub.Follow(ctx, c, scope, head, "", func(*havre.Revision) error { return nil }) }()
	return ended
}

// settle waits until what States remembers is old.
func settle() { time.Sleep(600 * time.Millisecond) }

// fleet makes devices in all conditions.
func (s *testServer) fleet() map[string]*havre.Caller {
	s.t.Helper()
	head := s.head("Projets")
	d := map[string]*havre.Caller{}
	for _, one := range []struct{ person, name, platform string }{
		{"aicha", "poste-aicha", "windows/amd64"},
		{"yannick", "yl-thinkpad", "windows/amd64"},
		{"priya", "priya-linux", "linux/amd64"},
		{"maelle", "maelle-macbook", "darwin/arm64"},
		{"tom", "tom-studio", "linux/amd64"},
		{"tom", "falmouth-mac", "darwin/arm64"},
		{"jb", "jb-workstation", "linux/amd64"},
		{"lena", "lena-imac", "darwin/arm64"},
	} {
		d[one.name] = s.device(one.person, one.name, one.platform)
	}
	full := s.replica("Projets", `D:\havre\Projets`, head-4)
	full.Error, full.Pending = `fetch: write D:\havre\Projets\a.dwg: There is not enough space on the disk.`, 38
	s.report(d["poste-aicha"], full)
	held := s.replica("Photos & archives", `E:\Photos`, 0)
	held.HeldUp = 4218
	s.report(d["yl-thinkpad"], s.replica("Projets", `C:\Users\yl\Projets`, head-2), held)
	busy := s.replica("Projets", "/home/priya/Projets", head-1)
	busy.Pending = 3
	s.report(d["priya-linux"], busy)
	s.follow(d["priya-linux"], "Projets")
	for name, place := range map[string]string{
		"maelle-macbook": "/Users/maelle/havre/Projets", "tom-studio": "/home/tom/havre/Projets", "falmouth-mac": "/Users/tom/Projets",
		"jb-workstation": "/home/jb/Projets", "lena-imac": "/Users/lena/Projets",
	} {
		s.report(d[name], s.replica("Projets", place, head), s.replica("Administration", place+"/../Administration", s.head("Administration")))
		s.follow(d[name], "Projets")
	}
	settle()
	return d
}

// wantPage fails unless the answer is good and contains the texts.
func wantPage(t *testing.T, a answer, texts ...string) {
	t.Helper()
	if a.StatusCode >= 400 {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("it does not say %q", text)
		}
	}
}

func TestOverview(t *testing.T) {
	s := newTestServer(t)
	wantPage(t, s.get("maelle", "/admin"), "Nothing to report", "on no device", "This server")
	s.fleet()
	a := s.get("maelle", "/admin")
	wantPage(t, a, "2 things need you", "yl-thinkpad wants to delete 4,218 files in Photos &amp; archives", "poste-aicha has stopped in Projets",
		"5 up to date, 1 receiving, 1 behind, 1 stopped", "devices now")
	if held, stopped := strings.Index(a.body, "wants to delete"), strings.Index(a.body, "has stopped"); held > stopped {
		t.Error("the held deletion is not the first thing")
	}
	if a := s.get("tom", "/admin"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a member sees the overview: %d", a.StatusCode)
	}
}

func TestFolderPage(t *testing.T) {
	s := newTestServer(t)
	s.fleet()
	wantPage(t, s.get("maelle", "/admin/folders/Projets"), "5 of 8 devices are up to date.", "Its disk is full.", "38 changes",
		"3 files on their way", "Asleep for", "Not on a device", fmt.Sprint("r", s.head("Projets")))
	wantPage(t, s.get("tom", "/admin/folders/Projets"), "5 of 8 devices") // manages it
	if a := s.get("aicha", "/admin/folders/Projets"); a.StatusCode != http.StatusNotFound {
		t.Errorf("who writes only sees the page: %d", a.StatusCode)
	}
	wantPage(t, s.get("maelle", "/admin/folders/Projets/storage"), "Nothing expires.", "UUID", "subfolders")
	if a := s.get("tom", "/admin/folders/Projets/storage"); strings.Contains(a.body, s.dir) {
		t.Error("who manages a folder learns where it is on the server")
	}
}

func TestFolderActions(t *testing.T) {
	s := newTestServer(t)
	wantPage(t, s.post("maelle", "/admin/folders", url.Values{"name": {"Neuf"}}))
	if r, err := s.hub.Reach(t.Context(), s.caller("maelle"), "Neuf", ""); err != nil || r != havre.RightManage {
		t.Errorf("who creates a folder has %v, %v", r, err)
	}
	if a := s.post("maelle", "/admin/folders", url.Values{"name": {"NEUF"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "There is a folder called") {
		t.Errorf("the name is taken: %d", a.StatusCode)
	}
	// Who may create folders does so from the files.
	wantPage(t, s.post("tom", "/folders/new", url.Values{"name": {"Falmouth 2"}}))
	if r, err := s.hub.Reach(t.Context(), s.caller("tom"), "Falmouth 2", ""); err != nil || r != havre.RightManage {
		t.Errorf("tom has %v, %v", r, err)
	}
	if a := s.post("aicha", "/folders/new", url.Values{"name": {"Pirate"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("a member creates folders: %d", a.StatusCode)
	}
	// Renaming: the old address leads on.
	wantPage(t, s.post("tom", "/admin/folders/Projets/rename", url.Values{"name": {"Chantiers"}}))
	if a := s.get("maelle", "/admin/folders/Projets"); a.Header.Get("Location") != "/admin/folders/Chantiers" {
		t.Errorf("the old name leads to %q, %d", a.Header.Get("Location"), a.StatusCode)
	}
	if a := s.post("aicha", "/admin/folders/Chantiers/rename", url.Values{"name": {"x"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("who writes renames: %d", a.StatusCode)
	}
	// Archiving loses nothing.
	head := s.head("Chantiers")
	if a := s.post("tom", "/admin/folders/Chantiers/archive", url.Values{"archived": {"yes"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("a manager archives: %d", a.StatusCode)
	}
	wantPage(t, s.post("maelle", "/admin/folders/Chantiers/archive", url.Values{"archived": {"yes"}}))
	if list, err := s.hub.Folders(t.Context(), s.caller("aicha")); err != nil || len(list) != 5 {
		t.Errorf("after archiving aicha has %d folders, %v", len(list), err)
	}
	wantPage(t, s.get("maelle", "/admin/folders/Chantiers"), "Archived.")
	wantPage(t, s.get("maelle", "/admin/folders?show=archived"), "Chantiers")
	wantPage(t, s.post("maelle", "/admin/folders/Chantiers/archive", url.Values{"archived": {""}}))
	if got := s.head("Chantiers"); got != head {
		t.Errorf("head is %d, was %d", got, head)
	}
	// The quota.
	if a := s.post("maelle", "/admin/folders/Chantiers/quota", url.Values{"quota": {"-1"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a negative quota: %d", a.StatusCode)
	}
	wantPage(t, s.post("maelle", "/admin/folders/Chantiers/quota", url.Values{"quota": {"0,001"}}))
	big := testFile("big.bin", strings.Repeat("x", 900_000), svn.InvalidRevnum)
	s.commit("maelle", "Chantiers", big)
	big.Path = "bigger.bin"
	_, err := s.hub.Commit(t.Context(), s.caller("maelle"), havre.Scope{Folder: s.folder("Chantiers").ID}, &havre.Commit{ID: "over", Changes: []havre.Change{big}})
	if havre.CodeOf(err) != havre.CodeFull {
		t.Errorf("beyond the quota: %v", err)
	}
}

func TestDevicesPages(t *testing.T) {
	s := newTestServer(t)
	d := s.fleet()
	wantPage(t, s.get("tom", "/devices"), "2 devices, all connected.", "tom-studio", "/home/tom/havre/Projets", "falmouth-mac")
	if a := s.get("tom", "/devices"); strings.Contains(a.body, "poste-aicha") {
		t.Error("tom sees the device of another")
	}
	wantPage(t, s.get("maelle", "/admin/devices"), "poste-aicha", "192.0.2.9", "Windows", "8 devices")
	// Somebody else's device is not there.
	other := string(d["poste-aicha"].Device)
	for _, act := range []string{"rename", "revoke"} {
		if a := s.post("tom", "/devices/"+other+"/"+act, url.Values{"name": {"mine"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s of another's device: %d", act, a.StatusCode)
		}
	}
	wantPage(t, s.post("tom", "/devices/"+string(d["tom-studio"].Device)+"/rename", url.Values{"name": {"studio"}}))
	wantPage(t, s.get("tom", "/devices"), "studio")
	// A revoked device stops within a second.
	ended := s.follow(d["falmouth-mac"], "Projets")
	began := time.Now()
	wantPage(t, s.post("maelle", "/admin/devices/"+string(d["falmouth-mac"].Device)+"/revoke", nil))
	select {
	case err := <-ended:
		if havre.CodeOf(err) != havre.CodeUnauthenticated {
			t.Errorf("the stream ended with %v", err)
		}
		t.Logf("stopped after %v", time.Since(began))
	case <-time.After(time.Minute):
		t.Error("the stream of a revoked device goes on")
	}
	// An invitation for oneself.
	a := s.post("tom", "/devices/new", nil)
	wantPage(t, a, "havre join", "<svg", "valid for 15 minutes", "#sha256=")
	_, rest, _ := strings.Cut(a.body, "/join/")
	secret, _, _ := strings.Cut(rest, "#")
	joined, err := s.hub.Join(t.Context(), havre.JoinRequest{Secret: secret, DeviceName: "third", Platform: "linux/amd64"})
	if err != nil || joined.UserName != "tom" {
		t.Errorf("the invitation does not work: %+v, %v", joined, err)
	}
}

func TestHeldDeletions(t *testing.T) {
	s := newTestServer(t)
	d := s.fleet()
	a := s.get("maelle", "/admin")
	_, rest, _ := strings.Cut(a.body, `href="/admin/held/`)
	id, _, _ := strings.Cut(rest, `"`)
	page := "/admin/held/" + id
	wantPage(t, s.get("maelle", page), "4,218 deletions wait for your decision", "Nothing has been deleted.", `E:\Photos`)
	if a := s.post("maelle", page, url.Values{"n": {"4218"}, "do": {"delete"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("without the tick: %d", a.StatusCode)
	}
	if a := s.get("tom", page); a.StatusCode != http.StatusNotFound {
		t.Errorf("a member sees it: %d", a.StatusCode)
	}
	wantPage(t, s.post("maelle", page, url.Values{"n": {"17"}, "do": {"keep"}}))
	held := s.replica("Photos & archives", `E:\Photos`, 0)
	held.HeldUp = 4218
	for i := range 300 {
		held.HeldFiles = append(held.HeldFiles, havre.HeldFile{Path: svn.Path(fmt.Sprintf("Chantiers 2024/%03d <b>.jpg", i)), Size: 1e6})
	}
	held.HeldFiles = append(held.HeldFiles, havre.HeldFile{Path: "plan.pdf", Size: 5})
	s.report(d["yl-thinkpad"], held)
	held.HeldFiles, held.HeldKnown = nil, true // later reports leave them out
	s.report(d["yl-thinkpad"], held)
	wantPage(t, s.get("maelle", page), "Chantiers 2024", "300\u00a0MB", "See the 4,218 files", "Right in “Photos &amp; archives”")
	wantPage(t, s.get("maelle", page+"?files=1"), "Chantiers 2024/199 &lt;b&gt;.jpg", "Show all 301", "The device has listed 301 of them")
	if a := s.get("maelle", page+"?files=1"); strings.Contains(a.body, "/200 &lt;") {
		t.Error("more than the first 200 are shown")
	}
	wantPage(t, s.get("maelle", page+"?files=1&all=1"), "/299 &lt;b&gt;.jpg")
	if a := s.get("maelle", page+"?files=1&q=PLAN"); !strings.Contains(a.body, "plan.pdf") || strings.Contains(a.body, "/000 &lt;") {
		t.Error("the search finds something else")
	}
	wantPage(t, s.get("maelle", "/admin/log?kind=held"), "looked at the files whose deletion waits in")
	if got := s.report(d["yl-thinkpad"], held); len(got) != 0 {
		t.Errorf("a decision about another number was sent: %v", got)
	}
	wantPage(t, s.post("maelle", page, url.Values{"n": {"4218"}, "do": {"keep"}}))
	got := s.report(d["yl-thinkpad"], held)
	if len(got) != 1 || got[0].Decision != havre.DecisionKeep || got[0].Count != 4218 {
		t.Fatalf("the device hears %v", got)
	}
	// It hears it again until it has acted; then it is over.
	if got := s.report(d["yl-thinkpad"], held); len(got) != 1 {
		t.Errorf("the device hears %v the second time", got)
	}
	held.HeldUp = 0
	if got := s.report(d["yl-thinkpad"], held); len(got) != 0 {
		t.Errorf("the device hears %v afterwards", got)
	}
	settle()
	if a := s.get("maelle", page); a.Header.Get("Location") != "/admin" {
		t.Errorf("afterwards: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
}

func TestLog(t *testing.T) {
	s := newTestServer(t)
	wantPage(t, s.post("maelle", "/admin/folders", url.Values{"name": {"=1+1"}}))
	wantPage(t, s.get("maelle", "/admin/log"), "Maëlle Kerjean", "made the folder", "=1&#43;1")
	if a := s.get("maelle", "/admin/log?kind=device"); strings.Contains(a.body, "=1&#43;1") {
		t.Error("the filter lets a folder through")
	}
	if a := s.get("maelle", "/admin/log?person=maelle&q=1%2B1"); !strings.Contains(a.body, "=1&#43;1") {
		t.Error("the filter hides the line")
	}
	if a := s.get("maelle", "/admin/log?until=2001-01-01"); !strings.Contains(a.body, "No line fits") {
		t.Error("there were lines in 2001")
	}
	a := s.get("maelle", "/admin/log/export?as=csv")
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) < 20 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.HasPrefix(cell, "=") {
				t.Errorf("%q is a formula", cell)
			}
		}
	}
	var lines []logLine
	a = s.get("maelle", "/admin/log/export?as=json&kind=folder")
	if err := json.Unmarshal([]byte(a.body), &lines); err != nil || len(lines) == 0 || lines[0].Subject != "=1+1" {
		t.Errorf("JSON: %v, %v", err, lines)
	}
	a = s.get("maelle", "/admin/log/export?as=json&q=nothinglikethis")
	if err := json.Unmarshal([]byte(a.body), &lines); err != nil || len(lines) != 0 {
		t.Errorf("empty JSON: %v, %q", err, a.body)
	}
	for _, page := range []string{"/admin/log", "/admin/log/export"} {
		if a := s.get("tom", page); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s for a member: %d", page, a.StatusCode)
		}
	}
}

// The log has more lines than a page and than one reading of the export.
func TestLongLog(t *testing.T) {
	s := newTestServer(t)
	for range 620 {
		if err := s.hub.Admin(store.Actor{Name: "maelle"}).SetFactorRequired(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	a := s.get("maelle", "/admin/log?kind=setting")
	n := strings.Count(a.body, "changed the setting")
	for {
		before, _, more := strings.Cut(a.body, `" rel="next"`)
		if !more {
			break
		}
		a = s.get("maelle", html.UnescapeString(before[strings.LastIndexByte(before, '"')+1:]))
		n += strings.Count(a.body, "changed the setting")
	}
	if n != 620 {
		t.Errorf("the pages have %d lines, want 620", n)
	}
	var lines []logLine
	if err := json.Unmarshal([]byte(s.get("maelle", "/admin/log/export?as=json&kind=setting").body), &lines); err != nil || len(lines) != 620 {
		t.Errorf("the export has %d lines, want 620; %v", len(lines), err)
	}
}

func TestSettings(t *testing.T) {
	s := newTestServer(t)
	a := s.post("maelle", "/admin/settings/server", url.Values{"key": {"name"}, "value": {"Bassin à flot"}})
	wantPage(t, a)
	if at := a.Header.Get("Location"); !strings.Contains(at, "saved=name") || !strings.Contains(at, "was=Ateliers") {
		t.Errorf("leads to %s", at)
	} else {
		wantPage(t, s.get("maelle", at), "Saved ", "Undo", "Bassin à flot")
	}
	for _, bad := range []string{"nonsense", "host", ":7443", "host:0", "a b:1", "host:1/x"} {
		if a := s.post("maelle", "/admin/settings/server", url.Values{"key": {"address"}, "value": {bad}}); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%q is taken for an address: %d", bad, a.StatusCode)
		}
	}
	wantPage(t, s.post("maelle", "/admin/settings/server", url.Values{"key": {"address"}, "value": {"havre.example.org:7443"}}))
	wantPage(t, s.post("maelle", "/admin/settings/signin", url.Values{"key": {"hours"}, "value": {"8"}}))
	if got := s.hub.SessionLength(t.Context()); got != 8*time.Hour {
		t.Errorf("a session lasts %v", got)
	}
	if a := s.post("maelle", "/admin/settings/signin", url.Values{"key": {"hours"}, "value": {"999999999999"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a session of centuries: %d", a.StatusCode)
	}
	wantPage(t, s.get("maelle", "/admin/settings/protection"), "Against large deletions", `value="1000"`, "30 days")
	for _, bad := range []url.Values{{"files": {"5"}, "percent": {"50"}}, {"files": {"100"}, "percent": {"100"}}, {"files": {"many"}, "percent": {""}}} {
		bad.Set("key", "held")
		if a := s.post("maelle", "/admin/settings/protection", bad); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", bad, a.StatusCode)
		}
	}
	a = s.post("maelle", "/admin/settings/protection", url.Values{"key": {"held"}, "files": {"2 000"}, "percent": {"30"}})
	wantPage(t, s.get("maelle", a.Header.Get("Location")), "Saved ", `value="2000"`, `value="1000 50"`)
	wantPage(t, s.post("maelle", "/admin/settings/protection", url.Values{"key": {"trash"}, "value": {"90"}}))
	answer, err := s.hub.Report(t.Context(), s.device("maelle", "laptop", "linux/amd64"), nil)
	if want := (havre.Guard{Files: 2000, Percent: 30, TrashDays: 90}); err != nil || answer.Guard != want {
		t.Errorf("a device hears %+v, %v", answer.Guard, err)
	}
	wantPage(t, s.post("maelle", "/admin/settings/protection", url.Values{"key": {"held"}, "value": {"1000 50"}, "undo": {"yes"}}))
	// Nobody locks himself out.
	if a := s.post("maelle", "/admin/settings/signin", url.Values{"key": {"factor"}, "value": {"yes"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("without a second factor of her own: %d", a.StatusCode)
	}
	if err := s.hub.Admin(store.Console).SetFactorRequired(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if a := s.get("maelle", "/admin"); a.Header.Get("Location") != "/me/factor" {
		t.Errorf("administering without the factor that is required: %d", a.StatusCode)
	}
	if a := s.post("maelle", "/admin/settings/server", url.Values{"key": {"name"}, "value": {"Mine"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "second factor") {
		t.Errorf("changing a setting without it: %d", a.StatusCode)
	}
}
