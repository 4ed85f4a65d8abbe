package framadatetest_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
)

func get(t *testing.T, address, language string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Language", language)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestRecorded compares the CSV with those of a real 1.1.19, byte for byte, in three languages.
func TestRecorded(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	server := framadatetest.New(t, framadatetest.Options{Version: framadatetest.V1_1_19, Zone: paris})
	polls := map[string]*framadatetest.Poll{
		"date-poll": server.Add(framadatetest.SampleDates()), "classic-poll": server.Add(framadatetest.SampleChoices()),
		"date-poll-no-moments-added-column": server.Add(&framadatetest.Poll{
			Title: "x", Author: "y",
			Slots: []framadatetest.Slot{{Day: date(14)}, {Day: date(15), Moments: []string{"midi"}}, {Day: date(16)}},
			Votes: []*framadatetest.Vote{{Name: "Zoé", Choices: "2 1"}, {Name: "Éric", Choices: "0 2"}},
		}),
		"classic-no-votes": server.Add(&framadatetest.Poll{Classic: true, Slots: []framadatetest.Slot{{Title: "A"}, {Title: "B"}}}),
	}
	for name, poll := range polls {
		for _, language := range []string{"en", "fr", "de"} {
			want, err := os.ReadFile("../testdata/framadate-1.1.19/" + name + "." + language + ".csv")
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			resp, got := get(t, server.URL+"/exportcsv.php?poll="+poll.ID, language)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s in %s differs from the recorded one (-want +got):\n%s", name, language, diff)
			}
			if resp.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
				t.Error(resp.Header)
			}
		}
	}
}

func date(d int) time.Time { return time.Date(2026, 12, d, 12, 0, 0, 0, time.UTC) }

// TestSurprises are those of the facts that a backup must survive.
func TestSurprises(t *testing.T) {
	server := framadatetest.New(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	poll := server.Add(framadatetest.SampleDates())
	resp, body := get(t, server.URL+"/nothing", "fr")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "pas &excl;") || strings.Contains(body, "table") {
		t.Errorf("a missing poll: %d %s", resp.StatusCode, body)
	}
	if resp, _ := get(t, server.Poll(poll)+"/", "fr"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a slash at the end: %d", resp.StatusCode)
	}
	if resp, body := get(t, server.Poll(poll)+"/action/get_ical_file/zz", "fr"); resp.StatusCode != http.StatusInternalServerError || !strings.HasPrefix(body, "Internal error<!DOCTYPE") {
		t.Errorf("an iCal of nothing: %d", resp.StatusCode)
	}
	if _, body := get(t, server.URL+"/"+strings.ToUpper(poll.ID), "en;q=0.1,fr;q=1.0"); !strings.Contains(body, `<html lang="en">`) || !strings.Contains(body, poll.ID) {
		t.Error("ids do not tell case, and q-values are ignored")
	}
	before := len(poll.Votes)
	_, admin := get(t, server.Administration(poll), "en")
	if !strings.Contains(admin, "delete&lowbar;vote") {
		t.Error("the administration page has no links that delete")
	}
	number := base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(poll.Votes[1].Number)))
	get(t, server.URL+"/"+poll.Admin+"/admin/action/delete_vote/"+number, "en")
	server.Look(poll.ID, func(p *framadatetest.Poll) {
		if len(p.Votes) != before-1 {
			t.Errorf("a link of the administration page was requested, and %d of %d votes are left", len(p.Votes), before)
		}
	})
	server.SetDown(true)
	resp, _ = get(t, server.Poll(poll), "en")
	if resp.StatusCode != http.StatusFound || !strings.HasSuffix(resp.Header.Get("Location"), "/maintenance.php") {
		t.Errorf("without a database: %d %v", resp.StatusCode, resp.Header)
	}
}
