package web

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// How much is read to say in words how a text changed: the newest versions of a file that is not large.
const (
	countedVersions = 12
	countedBytes    = 128 << 10
)

// When versions of one person are one run of small saves: each so soon after the one before it.
const saveRun = 10 * time.Minute

// amounts puts words in the place of bytes for the newest versions of a text.
func (x *exchange) amounts(at *hub.Spot, rows []versionRow) error {
	words := map[havre.Hash]int{}
	count := func(r *versionRow) (int, bool, error) {
		if n, known := words[r.Hash]; known && r.Hash != "" {
			return n, n >= 0, nil
		}
		spot, err := x.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, r.Path, r.Rev)
		if err != nil {
			return 0, false, err
		}
		b, whole, err := x.hub.ReadSmall(x.ctx(), spot, countedBytes)
		if err != nil {
			return 0, false, err
		}
		n := -1
		if whole && utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 {
			n = len(bytes.Fields(b))
		}
		words[r.Hash] = n
		return n, n >= 0, nil
	}
	for i := range min(len(rows)-1, countedVersions) {
		now, before := &rows[i], &rows[i+1]
		if now.Moved || now.Size > countedBytes || before.Size > countedBytes || !textual(at.Node) {
			continue
		}
		a, okA, err := count(now)
		if err != nil {
			return err
		}
		b, okB, err := count(before)
		if err != nil {
			return err
		}
		switch {
		case !okA || !okB:
			return nil // no text: the others are none either
		case a > b:
			now.Amount = x.t("history.amount.more", "n", a-b)
		case a < b:
			now.Amount = x.t("history.amount.less", "n", b-a)
		case now.Hash != before.Hash:
			now.Amount = x.t("history.amount.same")
		}
	}
	return nil
}

// textual says whether the file can be a text, by its name.
func textual(e *hub.Entry) bool {
	switch kindOf(e.Ext()) {
	case "image", "media", "archive", "pdf", "slides":
		return false
	}
	return e.Ext() != "docx" && e.Ext() != "odt"
}

// fold puts runs of small saves of one person behind the newest of each; what is on the page or newest stays.
func (x *exchange) fold(rows []versionRow) []versionRow {
	var out []versionRow
	for i := range rows {
		r := rows[i]
		n := len(out)
		if n == 0 || r.Shown || r.Same > 0 || r.Number == 1 || r.Moved {
			out = append(out, r)
			continue
		}
		lead := &out[n-1]
		later := lead
		if k := len(lead.Folded); k > 0 {
			later = &lead.Folded[k-1]
		}
		if lead.Author == r.Author && lead.Device == r.Device && later.Time.Sub(r.Time) < saveRun && !lead.Moved && x.dayTitle(lead.Time) == x.dayTitle(r.Time) {
			lead.Folded = append(lead.Folded, r)
			continue
		}
		out = append(out, r)
	}
	for i := range out {
		if len(out[i].Folded) < 2 { // one line is no longer than the fold
			continue
		}
		var names []string
		for _, f := range out[i].Folded {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
		out[i].By = strings.Join(names, ", ")
	}
	return unfoldSingles(out)
}

func unfoldSingles(rows []versionRow) []versionRow {
	var out []versionRow
	for _, r := range rows {
		folded := r.Folded
		if len(folded) == 1 {
			r.Folded = nil
		}
		out = append(out, r)
		if len(folded) == 1 {
			out = append(out, folded[0])
		}
	}
	return out
}

// InBrowser says whether the version was made in a browser.
func (r versionRow) InBrowser() bool { return r.Web() }
