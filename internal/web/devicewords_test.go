package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/store"
)

// TestDeviceError: what a device says of its failures is said in the language of the page.
func TestDeviceError(t *testing.T) {
	shown, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{texts: shown.texts, sentences: shown.sentences}
	for _, test := range []struct {
		err    error
		en, fr string
	}{
		{&localfs.RootGoneError{Root: `D:\Plans: A`, Reason: "is not there"}, `D:\Plans: A is not there`, `D:\Plans: A n’est plus là`},
		{&localfs.MarkerGoneError{Root: "/home/tom/Plans"}, "/home/tom/Plans may not be the folder", "/home/tom/Plans n’est peut-être plus le dossier"},
		{&localfs.OtherFolderError{Root: "/p", Want: "a", Got: "b"}, "/p belongs to another folder", "/p appartient à un autre dossier"},
		{fmt.Errorf("fetch: write /p/a: %w", syscall.ENOSPC), "Its disk is full", "Son disque est plein"},
		{fmt.Errorf(`fetch: rename D:\p\a.dwg: %w`, errWindowsBusy), `D:\p\a.dwg is open in another program`, `D:\p\a.dwg est ouvert dans un autre logiciel`},
		{fmt.Errorf("fetch: write /p/a: %w", syscall.EROFS), "Its disk may only be read: /p/a", "Son disque est en lecture seule : /p/a"},
		{fmt.Errorf("read /p/a: %w", syscall.EIO), "Its disk could not read or write /p/a", "Son disque n’a pas pu lire ou écrire /p/a"},
		{fmt.Errorf("fetch: open /p/a: %w", syscall.EACCES), "It may not read or write /p/a", "Il n’a pas le droit de lire ou d’écrire /p/a"},
		{&apiclient.FingerprintError{Address: "havre.test:7443", Want: "aa", Got: "bb"}, "Another server answers at havre.test:7443", "Un autre serveur répond à havre.test:7443"},
		{fmt.Errorf("the server's disk is full: free some space there, then it goes on by itself"), "The server's disk is full", "Le disque du serveur est plein"},
		{fmt.Errorf("something\x00new"), "Something␀new", "Something␀new"},
	} {
		for lang, want := range map[string]string{"en": test.en, "fr": test.fr} {
			x := &exchange{s: s, lang: lang, zone: time.UTC, now: time.Now(), r: httptest.NewRequest(http.MethodGet, "/", nil)}
			c := x.condition(&hub.ReplicaStatus{Condition: hub.ConditionStopped, Replica: stoppedWith(test.err)})
			if !strings.HasPrefix(c.Words, want) {
				t.Errorf("%s: %q, want %q", lang, c.Words, want)
			}
		}
	}
}

// errWindowsBusy is what Windows says, ERROR_SHARING_VIOLATION.
var errWindowsBusy = errors.New("The process cannot access the file because it is being used by another process.") //nolint:revive,staticcheck // its words

func stoppedWith(err error) store.Replica {
	var r store.Replica
	r.Report.Error = err.Error()
	return r
}
