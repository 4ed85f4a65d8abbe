package framadate_test

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/framadate"
	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
)

func at(t *testing.T, address string) source.Recognised {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := framadate.At(u)
	if !ok {
		t.Fatalf("%s is no address of an instance", address)
	}
	return r
}

func restore(t *testing.T, c *source.Client, to source.Recognised, data []byte) (*source.Restored, error) {
	t.Helper()
	return framadate.New().Restore(t.Context(), c, to, bytes.NewReader(data), int64(len(data)))
}

// saved returns the JSON of a poll as its author sees it, on the newest version.
func saved(t *testing.T, c *source.Client, p *framadatetest.Poll) ([]byte, *framadate.Poll) {
	t.Helper()
	server := instance(t, framadatetest.Options{Version: framadatetest.V1_1_19, Zone: paris(t)})
	server.Add(p)
	got := fetch(t, c, document(t, server.Administration(p)))
	return read(t, got, ".json"), poll(t, got)
}

// TestRestore brings both kinds to every version, in several languages, and reads them back record for record.
func TestRestore(t *testing.T) {
	t.Parallel()
	c := client(t)
	dates, choices := framadatetest.SampleDates(), framadatetest.SampleChoices()
	dates.Locked, choices.Hidden, choices.Editable = true, true, framadatetest.EditAll
	dates.Expires, choices.Expires = now.AddDate(0, 2, 0), now.AddDate(0, 2, 0)
	for name, sample := range map[string]*framadatetest.Poll{"dates": dates, "choices": choices} {
		data, want := saved(t, c, sample)
		for i, version := range framadatetest.Versions {
			for _, only := range []string{"", "en", "de"} {
				options := framadatetest.Options{Version: version, Zone: paris(t), Scripts: i%2 == 0, Path: []string{"/sub/date", ""}[i%2]}
				if only != "" {
					options.Only, options.Language = []string{only}, only
				}
				t.Run(name+version.String()+only, func(t *testing.T) {
					t.Parallel()
					server := instance(t, options)
					restored, err := restore(t, c, at(t, server.URL+options.Path+"/"), data)
					if err != nil {
						t.Fatal(err)
					}
					r := recognised(t, restored.Secrets.Address.Reveal())
					got := poll(t, fetch(t, c, source.Document{Address: r.Address, Secrets: r.Secrets}))
					if got.URL != restored.Address.URL || got.ID != restored.Address.Name {
						t.Errorf("it is at %s, not %+v", got.URL, restored.Address)
					}
					compareRestored(t, version, options.Only, want, got)
					said := strings.Join(restored.Lost, "\n")
					if strings.Contains(said, "voters' own") != true || strings.Contains(said, "Unanswered") != (version == framadatetest.V0_9) {
						t.Errorf("lost:\n%s", said)
					}
					// Where there is no French, versions before 1.1.18 do not understand the day of expiry.
					if late := len(options.Only) > 0 && version < framadatetest.V1_1_18 && version > framadatetest.V0_9; strings.Contains(said, "open until") != late {
						t.Errorf("expiry %s, lost:\n%s", got.Status.Expires, said)
					}
				})
			}
		}
	}
}

func compareRestored(t *testing.T, version framadatetest.Version, only []string, want, got *framadate.Poll) {
	t.Helper()
	expected := *want
	if version == framadatetest.V0_9 {
		expected.Voters = nil
		for _, v := range want.Voters {
			line := framadate.Voter{Name: v.Name}
			for _, a := range v.Answers {
				if a == framadate.Unanswered {
					a = framadate.No
				}
				line.Answers = append(line.Answers, a)
			}
			expected.Voters = append(expected.Voters, line)
		}
	}
	ignored := []cmp.Option{
		cmpopts.IgnoreFields(framadate.Poll{}, "URL", "ID"), cmpopts.IgnoreFields(framadate.Comment{}, "Date", "Number"),
		cmpopts.IgnoreFields(framadate.Option{}, "Totals", "Best"), cmpopts.EquateEmpty(),
	}
	if len(only) > 0 {
		ignored = append(ignored, cmpopts.IgnoreFields(framadate.Status{}, "Expires"))
	}
	if want.Status.Locked {
		ignored = append(ignored, cmpopts.IgnoreFields(framadate.Status{}, "Editable")) // a locked poll does not tell
	}
	if version < framadatetest.V1_1 {
		if want.Kind == framadate.Choices { // markup that is neither a link nor an image is left out
			expected.Options = slices.Clone(want.Options)
			expected.Options[5].Markdown, expected.Options[5].HTML = "Gras code", "Gras code"
		}
		ignored = append(ignored, cmpopts.IgnoreFields(framadate.Poll{}, "Description"))
	}
	if diff := cmp.Diff(&expected, got, ignored...); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestRestoreWithAName: only where there is nothing, and nothing that is there is touched.
func TestRestoreWithAName(t *testing.T) {
	t.Parallel()
	c := client(t)
	data, _ := saved(t, c, framadatetest.SampleDates())
	server := instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	to := at(t, server.URL)
	to.Address.Name = "Notre-Reunion"
	restored, err := restore(t, c, to, data)
	if err != nil || restored.Address.URL != server.URL+"/Notre-Reunion" {
		t.Fatalf("%+v, %v", restored, err)
	}
	to.Address.Name = "notre-reunion" // the same to the instance
	_, err = restore(t, c, to, data)
	reason(t, err, source.ReasonExists)
	to.Address.Name = "no_good"
	_, err = restore(t, c, to, data)
	reason(t, err, source.ReasonAddress)
	if ids := server.IDs(); len(ids) != 1 {
		t.Errorf("there are %q", ids)
	}
}

// TestRestoreRefused: what an instance does not take, and what is no poll.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	c := client(t)
	data, want := saved(t, c, framadatetest.SampleDates())
	mailing := instance(t, framadatetest.Options{Version: framadatetest.V1_1_19, Mail: true})
	to := at(t, mailing.URL)
	_, err := restore(t, c, to, data)
	reason(t, err, source.ReasonRefused)
	to.Secrets.User = "camille@example.org"
	if _, err := restore(t, c, to, data); err != nil {
		t.Errorf("with an address to send mail to: %v", err)
	}
	old := instance(t, framadatetest.Options{Version: framadatetest.V0_9})
	to = at(t, old.URL)
	to.Address.Name = "abcdefghijklmnop"
	_, err = restore(t, c, to, data)
	reason(t, err, source.ReasonRefused)
	_, err = restore(t, c, at(t, old.URL), []byte(`{"format":"havre-poll/1","kind":"dates"`))
	reason(t, err, source.ReasonDamaged)
	_, err = restore(t, c, at(t, old.URL), []byte(`{"format":"havre-poll/1","kind":"choices","title":"x","options":[{}],"voters":[{"name":"a","answers":[]}]}`))
	reason(t, err, source.ReasonDamaged)
	_, err = restore(t, c, at(t, old.URL), []byte(`{"format":"havre-poll/1","kind":"choices","title":"x"}`))
	reason(t, err, source.ReasonRefused)
	if ids := old.IDs(); len(ids) != 0 {
		t.Errorf("there are %q", ids)
	}
	old.SetDown(true)
	_, err = restore(t, c, at(t, old.URL), data)
	reason(t, err, source.ReasonDown)

	// What an instance takes for the same name, twice the same comment, and dates that were never known.
	server := instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	want.Voters[1].Name = strings.ToUpper(want.Voters[0].Name)
	want.Comments = append(want.Comments, want.Comments[0])
	want.Options[2].Date = ""
	want.Author = strings.Repeat("é", 40)
	restored, err := restore(t, c, at(t, server.URL), want.JSON())
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(restored.Lost, "\n")
	for _, text := range []string{"(2)", "there twice", "poll of choices now", "32 characters"} {
		if !strings.Contains(said, text) {
			t.Errorf("it is not said that %q:\n%s", text, said)
		}
	}
	r := recognised(t, restored.Secrets.Address.Reveal())
	if got := poll(t, fetch(t, c, source.Document{Address: r.Address, Secrets: r.Secrets})); got.Kind != framadate.Choices || got.Options[0].Label != "Mon 14 December 2026, 9h" || len(got.Voters) != 5 || len(got.Comments) != 2 {
		t.Errorf("restored as choices: %+v", got)
	}
}

// TestRestoreExpired: an expired poll comes back open, which is said.
func TestRestoreExpired(t *testing.T) {
	t.Parallel()
	c := client(t)
	p := framadatetest.SampleDates()
	p.Expires = now.AddDate(0, 0, -10)
	data, _ := saved(t, c, p)
	server := instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	restored, err := restore(t, c, at(t, server.URL), data)
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(restored.Lost, "\n"); !strings.Contains(said, "open until "+now.AddDate(0, 0, 1).Format(time.DateOnly)+" instead of 2026-11-11") {
		t.Errorf("lost:\n%s", said)
	}
}
