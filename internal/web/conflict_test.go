package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// TestConflict: the activity says who changed the same file, the two copies are shown side by side, and either can be
// kept, as one revision that can be taken back.
func TestConflict(t *testing.T) {
	s := newTestServer(t)
	const file, copied = "Plan.txt", "Plan (conflict, aicha-mac, 2026-11-21 14.05.09).txt"
	text := func(path, content string) havre.Change {
		return havre.Change{
			Kind: havre.ChangePut, Path: svn.Path(path), Base: svn.InvalidRevnum, Content: []byte(content),
			Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes([]byte(content))},
		}
	}
	s.commit("tom", "Projets", text(file, "one\ntwo of tom\n"))
	s.commit("aicha", "Projets", text(copied, "one\ntwo of aicha\n"))
	address := conflictAddress("Projets", svn.Path(copied))
	wantText(t, s.get("tom", "/activity"), "changed the same file at the same time", address)
	a := s.get("tom", address)
	wantText(t, a, "Two copies of “Plan.txt”", "Tom Whitfield", "Aïcha", ">tom</del>", ">aicha</ins>", "Keep this one")
	if a := s.get("karim", address); a.StatusCode == http.StatusOK && strings.Contains(a.body, "Keep this one") {
		t.Error("who may only read is asked to choose")
	}
	for person, bad := range map[string]string{
		"tom":    conflictAddress("Projets", svn.Path(file)),
		"maelle": conflictAddress("Projets", "No (conflict, x, y).txt"),
	} {
		wantStatus(t, s.get(person, bad), http.StatusNotFound)
		wantStatus(t, s.post(person, bad, url.Values{"keep": {"copy"}}), http.StatusNotFound)
	}
	wantStatus(t, s.post("tom", address, url.Values{"keep": {"nothing"}}), http.StatusUnprocessableEntity)
	if a := s.post("karim", address, url.Values{"keep": {"copy"}}); a.StatusCode < 400 {
		t.Errorf("a reader decides: %d", a.StatusCode)
	}
	a = s.post("tom", address, url.Values{"keep": {"copy"}})
	wantStatus(t, a, http.StatusSeeOther)
	if got := s.get("tom", folderAddress("Projets", file)+"?download").body; got != "one\ntwo of aicha\n" {
		t.Errorf("the file holds %q", got)
	}
	wantStatus(t, s.get("tom", address), http.StatusNotFound)
	s.undone("tom", a)
	wantText(t, s.get("tom", address), ">tom</del>")
	wantStatus(t, s.post("tom", address, url.Values{"keep": {"file"}}), http.StatusSeeOther)
	if got := s.get("tom", folderAddress("Projets", file)+"?download").body; got != "one\ntwo of tom\n" {
		t.Errorf("the file holds %q", got)
	}
}

// TestVersionsInWords: texts changed by so many words; runs of small saves are folded; who restored is said.
func TestVersionsInWords(t *testing.T) {
	s := newTestServer(t)
	at := folderAddress("Projets", "Words.txt")
	rev := svn.InvalidRevnum
	for _, content := range []string{"a b c", "a b c d e", "a b c d", "a b c x", "a b c x y z"} {
		rev = s.commit("tom", "Projets", havre.Change{
			Kind: havre.ChangePut, Path: "Words.txt", Base: rev, Content: []byte(content),
			Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes([]byte(content))},
		})
	}
	a := s.get("tom", at)
	wantText(t, a, "&#43;2 words", "−1 word", "as many words", "3 more versions, by Tom Whitfield", "Version 5")
	wantStatus(t, s.post("tom", at, url.Values{"do": {"restore"}, "v": {"2"}}), http.StatusSeeOther)
	wantText(t, s.get("tom", "/activity"), "restored 1 item")
	act := hub.Act{Message: "restored from r12 by hand"}
	if _, ok := act.Restored(); ok {
		t.Error("any message that begins so counts")
	}
	wantText(t, s.get("tom", folderAddress("Projets", project)+"?at=r1&restore"), "people and 0 devices.")
}

// TestBesideTheList: how many people reach the directory, and how many deleted files can come back.
func TestBesideTheList(t *testing.T) {
	s := newTestServer(t)
	at := folderAddress("Projets", project)
	wantText(t, s.get("tom", at), "people</span></a>", `id="f-quick"`, "?deleted=count")
	before := s.get("tom", at+"?deleted=count").body
	wantStatus(t, s.post("tom", at, url.Values{"do": {"delete"}, "item": {"02 Avant-projet"}, "base": {"9999"}}), http.StatusSeeOther)
	if after := s.get("tom", at+"?deleted=count").body; after == before || !strings.HasPrefix(after, " (") {
		t.Errorf("the count was %q and is %q", before, after)
	}
	wantStatus(t, s.get("stranger", at+"?deleted=count"), http.StatusNotFound)
}

// TestPlacesBeyondTheFirst: where there are too many directories to offer, one searches for the place by name.
func TestPlacesBeyondTheFirst(t *testing.T) {
	s := newTestServer(t)
	changes := []havre.Change{{Kind: havre.ChangePut, Path: "Many", Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}}}
	for i := range maxPlaces + 50 {
		changes = append(changes, havre.Change{
			Kind: havre.ChangePut, Path: svn.Path(fmt.Sprintf("Many/Dossier été %04d", i)), Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir},
		})
	}
	s.commit("tom", "Projets", changes...)
	ask := url.Values{"do": {"ask-move"}, "item": {"Many"}, "base": {"9999"}}
	wantText(t, s.post("tom", folderAddress("Projets", ""), url.Values{"do": {"ask-copy"}, "item": {project}, "base": {"9999"}}), "subfolders are listed: search for others by name")
	if a := s.post("tom", folderAddress("Projets", ""), ask); strings.Contains(a.body, "search for others") {
		t.Error("without what moves there are few places")
	}
	ask.Set("item", project)
	ask.Set("where", "ETE 2049")
	a := s.post("tom", folderAddress("Projets", ""), ask)
	wantText(t, a, `value="Many/Dossier été 2049"`)
	if n := strings.Count(a.body, `name="to"`); n != 1 {
		t.Errorf("%d places are offered", n)
	}
}
