package framadate

import (
	"net/url"
	"testing"

	"github.com/havre-cloud/havre/internal/source"
)

func TestRecognise(t *testing.T) {
	const (
		id    = "AbCdEfGhIjKlMnOp"
		admin = id + "QrStUvWx"
		uniq  = "0123456789abcdef"
	)
	for given, want := range map[string]struct {
		likelihood source.Likelihood
		instance   string
		name       string
		url        string
		secret     string
	}{
		"https://framadate.org/" + id:                                         {source.Certain, "https://framadate.org", id, "https://framadate.org/" + id, ""},
		"HTTPS://FRAMADATE.org:443/" + id + "?x=1#top":                        {source.Certain, "https://framadate.org", id, "https://framadate.org/" + id, ""},
		"https://framadate.org/mon-sondage-perso":                             {source.Certain, "https://framadate.org", "mon-sondage-perso", "https://framadate.org/mon-sondage-perso", ""},
		"https://framadate.org/" + admin + "/admin":                           {source.Certain, "https://framadate.org", id, "https://framadate.org/" + id, "https://framadate.org/" + admin + "/admin"},
		"https://framadate.org/" + admin + "/admin/action/delete_vote/MTI":    {source.Certain, "https://framadate.org", id, "https://framadate.org/" + id, "https://framadate.org/" + admin + "/admin"},
		"https://x.example/date/" + id + "/vote/" + uniq + "#edit":            {source.Certain, "https://x.example/date", id, "https://x.example/date/" + id, "https://x.example/date/studs.php?poll=" + id + "&vote=" + uniq},
		"https://x.example/date/studs.php?poll=" + id + "&vote=" + uniq:       {source.Certain, "https://x.example/date", id, "https://x.example/date/studs.php?poll=" + id, "https://x.example/date/studs.php?poll=" + id + "&vote=" + uniq},
		"https://x.example/studs.php?lang=fr&poll=abc":                        {source.Certain, "https://x.example", "abc", "https://x.example/studs.php?poll=abc", ""},
		"https://x.example/adminstuds.php?poll=" + admin + "&delete_vote=MTI": {source.Certain, "https://x.example", id, "https://x.example/studs.php?poll=" + id, "https://x.example/adminstuds.php?poll=" + admin},
		"https://x.example/exportcsv.php?poll=" + id:                          {source.Certain, "https://x.example", id, "https://x.example/studs.php?poll=" + id, ""},
		"https://x.example/exportcsv.php?admin=" + admin:                      {source.Certain, "https://x.example", id, "https://x.example/studs.php?poll=" + id, "https://x.example/adminstuds.php?poll=" + admin},
		"https://sondage.example.org/ag-2027":                                 {source.Possible, "https://sondage.example.org", "ag-2027", "https://sondage.example.org/ag-2027", ""},
		"https://x.example/framadate/ag-2027":                                 {source.Possible, "https://x.example/framadate", "ag-2027", "https://x.example/framadate/ag-2027", ""},
		"https://x.example/" + id:                                             {source.Possible, "https://x.example", id, "https://x.example/" + id, ""},
		"https://framadate.org/":                                              {},
		"https://framadate.org/create_poll.php?type=date":                     {},
		"https://framadate.org/admin":                                         {},
		"https://x.example/some-page":                                         {},
		"https://x.example/p/" + "un_pad":                                     {},
		"https://x.example/studs.php?poll=abc_def":                            {},
		"mailto:someone@example.org":                                          {},
		"ftp://framadate.org/" + id:                                           {},
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		r := New().Recognise(u)
		if r.Likelihood != want.likelihood || r.Address.Instance != want.instance || r.Address.Name != want.name || r.Address.URL != want.url || r.Secrets.Address.Reveal() != want.secret {
			t.Errorf("%s:\n got %d %+v %q\nwant %+v", given, r.Likelihood, r.Address, r.Secrets.Address.Reveal(), want)
		}
	}
}

func TestDates(t *testing.T) {
	for text, want := range map[string]string{
		"Thursday 31 December 2026": "2026-12-31", "jeudi 31 décembre 2026": "2026-12-31", "Donnerstag, den 31. Dezember 2026": "2026-12-31",
		"jueves 31 de diciembre de 2026": "2026-12-31", "dijous, 1 d'abril de 2027": "2027-04-01", "Yaou  3 C’hwevrer 2027": "2027-02-03", "dijòus 11 març 2027": "2027-03-11",
		"2027-01-17": "2027-01-17", "giovedì 31 dicembre 2026": "2026-12-31", "31 février 2027": "", "someday": "", "": "", "31 2026": "",
	} {
		if got, _ := readLongDate(text); got != want && (want != "" || got != "") {
			if _, ok := readLongDate(text); ok || want != "" {
				t.Errorf("%q is %q, want %q", text, got, want)
			}
		}
	}
	for _, test := range []struct {
		unix   int64
		number int
		want   string
		offset string
	}{
		{1797116400, 13, "", ""}, // 2026-12-12T23:00Z is the 13th in Paris
		{1797116400, 0, "2026-12-13", "+01:00"},
		{1797120000, 13, "2026-12-13", "+00:00"},
		{1797120000 + 5*3600, 13, "2026-12-13", "-05:00"},  // New York
		{1797120000 - 13*3600, 13, "2026-12-13", "+13:00"}, // Auckland
		{1797120000 + 11*3600, 13, "2026-12-13", "-11:00"}, // Samoa
	} {
		got := dayAt(test.unix, test.number)
		if test.want == "" {
			test.want, test.offset = "2026-12-13", "+01:00"
		}
		offset := offsetOf(got, test.unix)
		if got != test.want || offset != test.offset {
			t.Errorf("%d on a day %d is %s %s, want %s %s", test.unix, test.number, got, offset, test.want, test.offset)
		}
	}
}

func TestCommentTimes(t *testing.T) {
	for given, want := range map[[2]string]string{
		{"11/20/2026 13:05", "en"}: "2026-11-20T13:05", {"20-11-2026 13:05", "fr"}: "2026-11-20T13:05", {"2026-11-20 13:05", "de"}: "2026-11-20T13:05",
		{"03/04/2026 13:05", "es"}: "2026-04-03T13:05", {"03/04/2026 13:05", "ca"}: "2026-03-04T13:05", {"soon", "en"}: "", {"", ""}: "",
	} {
		if got := readCommentTime(given[0], given[1]); got != want {
			t.Errorf("%v is %q, want %q", given, got, want)
		}
	}
}
