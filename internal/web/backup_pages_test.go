package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

// inFrench asks for a page in French.
func (s *testServer) inFrench(person, path string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://havre.test"+path, nil)
	r.AddCookie(&http.Cookie{Name: cookieLang, Value: "fr"})
	return s.do(person, r)
}

// has fails unless the page is there and contains all of the texts.
func (a answer) has(t *testing.T, texts ...string) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d: %.300s", a.StatusCode, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(strings.ReplaceAll(a.body, "\u00a0", " "), text) {
			_, content, _ := strings.Cut(a.body, "<main")
			t.Errorf("there is no %q in %.3000s", text, content)
		}
	}
}

// TestBackupWords: each state and reason is said in both languages, and never in the words of the error.
func TestBackupWords(t *testing.T) {
	all, err := loadTexts(content)
	if err != nil {
		t.Fatal(err)
	}
	states := []hub.SourceState{
		hub.SourceWaiting, hub.SourceRunning, hub.SourceOK, hub.SourceLive, hub.SourceSuspect, hub.SourceGone, hub.SourcePrivate, hub.SourcePassword,
		hub.SourceHidden, hub.SourceUnreachable, hub.SourceLimited, hub.SourceFailed, hub.SourcePaused,
	}
	said := map[string]string{}
	for _, lang := range []string{"en", "fr"} {
		x := &exchange{s: &Server{texts: all}, lang: lang, zone: time.UTC, now: time.Now()}
		for r := range reasons {
			text := x.sourceReason(r)
			if text == "" || strings.HasPrefix(text, "backups.") || said[text] != "" {
				t.Errorf("%s: %s is said as %q, as is %s", lang, r, text, said[text])
			}
			said[text] = string(r)
			for _, state := range states {
				for _, good := range []time.Time{{}, time.Now()} {
					w := x.sourceWords(&hub.Source{State: state, Reason: r, Since: time.Now().Add(-time.Hour), LastGood: good, Text: "english words"})
					if w.State == "" || w.Words == "" || strings.Contains(w.Words+w.Why, "backups.") || strings.Contains(w.Words+w.Why, "english") {
						t.Errorf("%s: %s for %s is %+v", lang, state, r, w)
					}
				}
			}
		}
	}
	x := &exchange{s: &Server{texts: all}, lang: "fr", zone: time.UTC, now: time.Now()}
	for want, s := range map[string]*hub.Source{
		"Ferme dans 3 jours":         {Closes: x.now.Add(73 * time.Hour)},
		"Disparaît dans 5 h":         {Ends: x.now.Add(5*time.Hour + time.Minute)},
		"Clos, copie gardée":         {Closes: x.now.Add(-time.Hour)},
		"Inchangé depuis 9 mois":     {LastChanged: x.now.Add(-275 * 24 * time.Hour)},
		"À jour":                     {LastChanged: x.now.Add(-24 * time.Hour), Closes: x.now.Add(300 * 24 * time.Hour)},
		"Injoignable depuis 14 h":    {State: hub.SourceUnreachable, Reason: source.ReasonDown, Since: x.now.Add(-14 * time.Hour)},
		"Autre chose répond":         {State: hub.SourceUnreachable, Reason: source.ReasonForeign},
		"Réponse incomplète":         {State: hub.SourceFailed, Reason: source.ReasonDamaged},
		"Disparu, copie gardée":      {State: hub.SourceGone, LastGood: x.now},
		"Introuvable":                {State: hub.SourceGone},
		"Mot de passe demandé":       {State: hub.SourcePassword},
		"Nouveau contenu mis à part": {State: hub.SourceSuspect},
	} {
		if s.State == "" {
			s.State = hub.SourceOK
		}
		if got := strings.ReplaceAll(x.sourceWords(s).Words, "\u00a0", " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestBackupPages walks through overview, one pad, one poll, and what may not be seen.
func TestBackupPages(t *testing.T) {
	s := newBackupServer(t)
	s.get("tom", "/backups").has(t, "Bring your pads to safety", `href="/backups/new"`)
	if a := s.get("siobhan", "/backups"); strings.Contains(a.body, `href="/backups/new"`) {
		t.Error("who may write nowhere can add")
	}
	file, rev := meetingPad(t, s.start)
	const pad, lost, poll = "https://pad.goulet.example/p/cr", "https://mensuel.framapad.org/p/reglement", "https://framadate.org/visite"
	s.pads.set(pad, padDocument("CR réunion chantier", file))
	s.pads.set(lost, s.pad("Règlement intérieur"))
	visit := s.poll("Choix de la date", "Maëlle ym", "Tom yn", "Aïcha -y")
	visit.closes = time.Now().Add(73 * time.Hour)
	s.polls.set(poll, visit)
	added := s.add("tom", "Projets", "Douarnenez/Réunions – pads", pad, lost, poll)
	address := func(i int) string { return "/backups/" + string(added[i].ID) }

	t.Run("gone", func(t *testing.T) {
		s.pads.set(lost, &testDocument{err: source.Errorf(source.ReasonGone, "gone")})
		if a := s.post("tom", address(1), url.Values{"do": {"check"}}); a.StatusCode != http.StatusSeeOther {
			t.Fatal(a.StatusCode, a.body)
		}
		s.until(func(list []hub.Source) bool {
			for i := range list {
				if list[i].ID == added[1].ID {
					return list[i].State == hub.SourceGone
				}
			}
			return false
		})
		a := s.inFrench("tom", address(1))
		a.has(t, "Disparu, copie gardée.", "L’instance dit que ce document n’existe plus.", "La dernière bonne copie est gardée", lost)
		if strings.Contains(a.body, `href="`+lost) {
			t.Error("the page leads to the pad, which opening it would make anew")
		}
		s.inFrench("maelle", "/admin").has(t, "1 sauvegarde ne répond plus")
	})

	t.Run("list", func(t *testing.T) {
		s.inFrench("tom", "/backups").has(t, "2 pads et 1 sondage sont à l’abri.", "1 ne répond plus ; sa dernière bonne copie est gardée.", "Ferme dans 3 jours",
			"pad.goulet.example", "Projets / Douarnenez / Réunions – pads", "À voir 1")
		a := s.get("tom", "/backups?kind=look")
		if a.has(t, "Règlement intérieur"); strings.Contains(a.body, "CR réunion chantier") {
			t.Error("what is well is among what is to look at")
		}
		if a := s.get("tom", "/backups?q=CHANTIER"); !strings.Contains(a.body, "CR réunion chantier") || strings.Contains(a.body, "Règlement") {
			t.Error("the search does not find by title")
		}
		if a := s.get("stranger", "/backups"); strings.Contains(a.body, "Règlement") {
			t.Error("who reads nothing sees a title")
		}
	})

	t.Run("pad", func(t *testing.T) {
		at := fmt.Sprintf("%s?at=%d", address(0), rev)
		a := s.inFrench("tom", at)
		a.has(t, "258 révisions, 4 auteurs, 3 messages ; l’historique complet du pad est ici.", "révision 148 sur 258 · quelqu’un sans nom écrit",
			`<h1 class="as-bar" tabindex="-1" dir="auto">CR réunion chantier</h1>`, "<del", "4. Point planning reporté</del>", `<i class="b-caret"`,
			"vu, je le mets au budget", `<p class="h1">`, "Version 1", "havre pad restore")
		for _, later := range []string{"merci à tous", "Échafaudage"} {
			if strings.Contains(a.body, later) {
				t.Errorf("%q was written later", later)
			}
		}
		if n := strings.Count(a.body, `class="bars`); n < 20 || n > replayWidth/replayBar+1 {
			t.Errorf("%d bars", n)
		}
		part := s.get("tom", at+"&part=moment&speed=8&skip=1")
		part.has(t, `data-part="when"`, `data-part="text"`, `data-part="beside"`, fmt.Sprintf(`data-at="%d"`, rev))
		if strings.Contains(part.body, "<html") || strings.Contains(part.body, "<svg viewBox=\"0 0 922") {
			t.Error("a part is the whole page")
		}
		for _, moment := range []string{"-5", "99999999999", "x", ""} {
			s.get("tom", address(0)+"?at="+moment).has(t, "data-replay")
		}
		// An author gets a name from who may write, and from nobody else.
		form := func() url.Values { return url.Values{"do": {"name"}, "author": {padUnnamed}, "name": {"Priya"}} }
		if a := s.post("siobhan", address(0), form()); a.StatusCode != http.StatusForbidden {
			t.Errorf("a reader names an author: %d", a.StatusCode)
		}
		if a := s.post("tom", address(0), form()); a.StatusCode != http.StatusSeeOther {
			t.Fatal(a.StatusCode, a.body)
		}
		s.get("siobhan", at).has(t, "Priya writes")
		if a := s.get("siobhan", at); strings.Contains(a.body, `value="name"`) || strings.Contains(a.body, `value="check"`) {
			t.Error("a reader has the buttons of a writer")
		}
	})

	t.Run("file", func(t *testing.T) {
		place := folderAddress("Projets", "Douarnenez/Réunions – pads/CR réunion chantier.etherpad")
		s.get("siobhan", place).has(t, `href="`+place+`?replay"`)
		s.get("siobhan", fmt.Sprintf("%s?replay=%d", place, rev)).has(t, "revision 148 of 258", "4. Point planning reporté</del>", fmt.Sprintf("?replay=%d", rev+1))
		if a := s.get("siobhan", folderAddress("Projets", "Douarnenez/Réunions – pads/CR réunion chantier.txt")+"?replay"); a.StatusCode != http.StatusNotFound {
			t.Errorf("a text is replayed: %d", a.StatusCode)
		}
		s.commit("tom", "Projets", testFile("damaged.etherpad", `{"pad:x":{}}`, -1), testFile("other.json", `{"a":1}`, -1))
		s.get("tom", folderAddress("Projets", "damaged.etherpad")+"?replay").has(t, "cannot be read")
		if a := s.get("tom", folderAddress("Projets", "other.json")+"?replay"); a.StatusCode != http.StatusNotFound {
			t.Errorf("any JSON is replayed: %d", a.StatusCode)
		}
	})

	t.Run("poll", func(t *testing.T) {
		again := s.poll("Choix de la date", "Maëlle yy", "Tom yn", "Priya my")
		again.closes = visit.closes
		s.polls.set(poll, again)
		s.post("tom", address(2), url.Values{"do": {"check"}})
		s.until(func(list []hub.Source) bool {
			for i := range list {
				if list[i].ID == added[2].ID {
					return len(list[i].Files) > 1 && list[i].Files[1].Rev > added[2].Files[1].Rev && list[i].State == hub.SourceOK
				}
			}
			return false
		})
		a := s.inFrench("tom", address(2))
		a.has(t, "copie 2 sur 2 · 3 changements", "3 réponses, 2 copies", "lun. 14 déc.", "avant : si nécessaire", `<tr class="is-added">`, `<tr class="is-removed">`,
			"Ferme dans 3 jours : vérifié plus souvent d’ici là.")
		if a := s.inFrench("tom", address(2)+"?at=1"); !strings.Contains(a.body, "première copie") || strings.Contains(a.body, "Priya") {
			t.Error("the first copy is not shown")
		}
		s.get("siobhan", folderAddress("Projets", "Douarnenez/Réunions – pads/Choix de la date.json")+"?replay=1").has(t, "copy 1 of 2")
	})

	t.Run("others", func(t *testing.T) {
		s.pads.set("https://pad.goulet.example/p/secret", s.pad("Salaires"))
		secret := s.add("maelle", "Comptabilité", "", "https://pad.goulet.example/p/secret")
		for person, want := range map[string]int{"tom": http.StatusNotFound, "stranger": http.StatusNotFound, "maelle": http.StatusOK} {
			if a := s.get(person, "/backups/"+string(secret[0].ID)); a.StatusCode != want {
				t.Errorf("%s: %d, want %d", person, a.StatusCode, want)
			}
		}
		if a := s.get("stranger", address(0)); a.StatusCode != http.StatusNotFound {
			t.Errorf("a stranger: %d", a.StatusCode)
		}
		s.get("maelle", "/admin/backups").has(t, "Salaires", "pad.goulet.example", "Tom Whitfield")
		if _, err := s.hub.Admin(store.Console).AddFolder(t.Context(), "Privé"); err != nil {
			t.Fatal(err)
		}
		s.grant("Privé", "", "tom", havre.RightManage)
		s.pads.set("https://pad.goulet.example/p/diary", s.pad("Journal intime"))
		s.addUnseen("tom", "Privé", "https://pad.goulet.example/p/diary")
		a := s.get("maelle", "/admin/backups")
		a.has(t, "A pad in a folder you do not read")
		if strings.Contains(a.body, "Journal intime") || strings.Contains(a.body, "/p/diary") {
			t.Error("an administrator learns of a pad that is not theirs to read")
		}
	})

	t.Run("schedule, pause, remove", func(t *testing.T) {
		for _, f := range []url.Values{
			{"do": {"schedule"}, "schedule": {"24h"}}, {"do": {"pause"}}, {"do": {"resume"}}, {"do": {"schedule"}, "schedule": {"auto"}}, {"do": {"forget"}},
		} {
			if a := s.post("tom", address(0), f); a.StatusCode != http.StatusSeeOther {
				t.Errorf("%v: %d %s", f, a.StatusCode, a.body)
			}
		}
		if a := s.post("tom", address(0), url.Values{"do": {"schedule"}, "schedule": {"-3h"}}); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a schedule of -3 hours: %d", a.StatusCode)
		}
		s.post("tom", address(0), url.Values{"do": {"pause"}})
		s.get("tom", address(0)).has(t, "Paused.", "None while it is paused")
		if a := s.post("tom", address(0), url.Values{"do": {"ask-remove"}}); a.Header.Get("Location") != address(0)+"?remove" {
			t.Errorf("removing leads to %q", a.Header.Get("Location"))
		}
		s.get("tom", address(0)+"?remove").has(t, "Stop backing up “CR réunion chantier”?", "The files stay in Projets / Douarnenez / Réunions – pads")
		if a := s.post("tom", address(0), url.Values{"do": {"remove"}}); a.Header.Get("Location") != "/backups" {
			t.Fatal(a.StatusCode, a.body)
		}
		if a := s.get("tom", address(0)); a.StatusCode != http.StatusNotFound {
			t.Errorf("what was removed: %d", a.StatusCode)
		}
		s.get("tom", folderAddress("Projets", "Douarnenez/Réunions – pads")).has(t, "CR réunion chantier")
	})
}

var listAddress = regexp.MustCompile(`/backups/new/[a-zA-Z0-9]+`)

// TestBackupAdding pastes a mail, completes what is missing, and adds what is ready.
func TestBackupAdding(t *testing.T) {
	s := newBackupServer(t)
	s.pads.set("https://pad.goulet.example/p/menuiseries", s.pad("Choix des menuiseries"))
	s.pads.set("https://pad.goulet.example/p/private", &testDocument{err: source.Errorf(source.ReasonPassword, "a password")})
	paste := func(text string) answer {
		return s.post("tom", "/backups/new", url.Values{"do": {"find"}, "text": {text}})
	}
	if a := paste("nothing here"); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "No address of a pad") || !strings.Contains(a.body, "nothing here") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a := paste("Salut, les liens : https://pad.goulet.example/p/menuiseries et https://pad.goulet.example/p/private ; et https://pad.goulet.example/p/nowhere.")
	list := a.Header.Get("Location")
	if !listAddress.MatchString(list) {
		t.Fatal(a.StatusCode, list, a.body)
	}
	var page answer
	settled := func() {
		t.Helper()
		since := int64(-1)
		for {
			var err error
			if since, err = s.hub.WaitSources(t.Context(), since); err != nil {
				t.Fatal(err)
			}
			if page = s.inFrench("tom", list); !strings.Contains(page.body, `hx-trigger="every 1s"`) {
				return
			}
		}
	}
	settled()
	page.has(t, "3 adresses trouvées", " : 1 prête, 2 à revoir", "Ce pad n’existe pas. havre ne l’a pas créé.", "Ce document demande un mot de passe.", `name="password-1"`,
		"Les 2 à revoir restent dans votre liste d’attente.", `<option value="Projets/Douarnenez">Projets / Douarnenez</option>`, "Sauvegarder 1 document")
	if strings.Contains(page.body, `value="Comptabilité"`) {
		t.Error("a folder is offered that the person may not write in")
	}
	for person, path := range map[string]string{"siobhan": list, "maelle": list} {
		if a := s.get(person, path); a.StatusCode != http.StatusNotFound {
			t.Errorf("the list of another: %d", a.StatusCode)
		}
	}
	if a := s.post("tom", list, url.Values{"do": {"complete"}, "password-1": {"sesame"}}); a.Header.Get("Location") != list {
		t.Fatal(a.StatusCode, a.body)
	}
	settled()
	page.has(t, " : 2 prêtes, 1 à revoir")
	if strings.Contains(page.body, "sesame") {
		t.Error("the page shows a secret")
	}
	form := url.Values{"do": {"add"}, "item": {"0", "2", "77", "x"}, "place": {"Comptabilité"}, "schedule": {"auto"}}
	if a := s.post("tom", list, form); a.StatusCode == http.StatusSeeOther {
		t.Error("added where the person may not write")
	}
	form.Set("place", "Projets/Douarnenez")
	form.Set("sub", "Menuiseries")
	if a := s.post("tom", list, form); a.Header.Get("Location") != "/backups" {
		t.Fatal(a.StatusCode, a.body)
	}
	s.until(func(list []hub.Source) bool { return len(list) == 1 && list[0].State == hub.SourceOK })
	s.get("tom", "/backups").has(t, "Choix des menuiseries", "1 pad is safe.", "Projets / Douarnenez / Menuiseries")
	s.get("tom", list).has(t, "Backed up in Projets / Douarnenez / Menuiseries")
	s.get("tom", "/backups/new").has(t, "Waiting from earlier", list)
	form.Del("item")
	if a := s.post("tom", list, form); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("nothing ticked: %d", a.StatusCode)
	}
	s.post("tom", list, url.Values{"do": {"drop"}})
	if a := s.get("tom", "/backups/new"); strings.Contains(a.body, "Waiting from earlier") {
		t.Error("the list is still there")
	}
	if a := s.post("tom", "/backups/new", url.Values{"do": {"whole"}, "instance": {"https://pad.goulet.example"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("an instance without a key: %d", a.StatusCode)
	}
}

// TestBackupManyAddresses: five hundred are found and taken at once, while no instance has answered.
func TestBackupManyAddresses(t *testing.T) {
	s := newHeldBackupServer(t, make(chan struct{}))
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "https://pad.goulet.example/p/many-%d\n", i)
	}
	a := s.post("tom", "/backups/new", url.Values{"do": {"find"}, "text": {text.String()}})
	list := a.Header.Get("Location")
	if !listAddress.MatchString(list) {
		t.Fatal(a.StatusCode, a.body)
	}
	s.get("tom", list).has(t, "500 addresses found", "500 being asked", `<progress max="500" value="0"`, `hx-trigger="every 1s"`)
	form := url.Values{"do": {"add"}, "place": {"Projets"}, "schedule": {"168h"}}
	for i := range 500 {
		form.Add("item", fmt.Sprint(i))
	}
	if a := s.post("tom", list, form); a.Header.Get("Location") != "/backups" {
		t.Fatal(a.StatusCode, a.body)
	}
	s.get("tom", list).has(t, "500 being asked")
}

// TestBackupSettings changes what holds for all backups, and takes it back.
func TestBackupSettings(t *testing.T) {
	s := newBackupServer(t)
	for _, c := range []struct{ key, value, shown string }{
		{"contact", "admin@goulet.example", `value="admin@goulet.example"`},
		{"private", "yes", `value="yes" data-submit aria-label="The server’s own network" checked`},
		{"networks", "192.168.1.0/24 10.0.0.7", `value="192.168.1.0/24 10.0.0.7/32"`},
	} {
		a := s.post("maelle", "/admin/settings/backups", url.Values{"key": {c.key}, "value": {c.value}})
		if a.StatusCode != http.StatusSeeOther {
			t.Fatal(a.StatusCode, a.body)
		}
		s.get("maelle", a.Header.Get("Location")).has(t, c.shown, "Saved")
	}
	if a := s.post("maelle", "/admin/settings/backups", url.Values{"key": {"networks"}, "value": {"everywhere"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a network that is none: %d", a.StatusCode)
	}
	s.get("maelle", "/admin/settings").has(t, `href="/admin/settings/backups"`)
}

// TestBackupCollection: a whole instance is added with a key that is right; when it is not any more, its page asks for another.
func TestBackupCollection(t *testing.T) {
	s := newBackupServer(t)
	add := func(key string) string {
		form := url.Values{"do": {"whole"}, "instance": {"https://pad.goulet.example"}, "key": {key}, "place": {"Projets/Douarnenez"}}
		a := s.post("tom", "/backups/new", form)
		if !listAddress.MatchString(a.Header.Get("Location")) {
			t.Fatal(a.StatusCode, a.body)
		}
		return a.Header.Get("Location")
	}
	refused := add("s3cr3t-key")
	add("right-key")
	var found hub.Source
	until := func(good func() bool) {
		s.until(func(list []hub.Source) bool {
			if len(list) == 1 {
				found = list[0]
			}
			return found.ID != "" && !found.LastRun.IsZero() && good()
		})
	}
	until(func() bool { return found.State == hub.SourceOK })
	if list, err := s.hub.Found(t.Context(), s.caller("tom"), strings.TrimPrefix(refused, "/backups/new/")); err != nil || list.Items[0].State != hub.FoundNeeds {
		t.Errorf("a wrong key: %+v, %v", list, err)
	}
	s.get("tom", refused).has(t, "The instance does not accept the API key.", `type="password" name="key-0"`)
	if a := s.post("tom", refused, url.Values{"do": {"complete"}, "key-0": {"right-key"}}); a.Header.Get("Location") != refused {
		t.Error(a.StatusCode, a.body)
	}
	until(func() bool {
		list, err := s.hub.Found(t.Context(), s.caller("tom"), strings.TrimPrefix(refused, "/backups/new/"))
		return err != nil || list.Items[0].State == hub.FoundKnown // by the other list
	})
	if err := s.hub.SetSource(t.Context(), s.caller("tom"), found.ID, hub.SourceChange{Secrets: &source.Secrets{APIKey: "s3cr3t-key"}}); err != nil {
		t.Fatal(err)
	}
	until(func() bool { return found.State == hub.SourcePassword })
	a := s.get("tom", "/backups/"+string(found.ID))
	a.has(t, "Open the instance", ">Every pad</h1>", "0 documents.", "Needs another key", `name="what" value="key"`)
	if strings.Contains(a.body, "s3cr3t-key") {
		t.Error("the page shows the key")
	}
}
