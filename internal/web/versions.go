package web

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// versionsView is the list of the versions of a file, beside its page.
type versionsView struct {
	Address string // of the file today
	Groups  []versionGroup
	Count   int
	More    bool // there are older ones than are listed
	Oldest  hub.Version
	Shown   int // the number of the version on the page
	Write   bool
}

// Older are the numbers of all versions but the newest, folded ones too.
func (v *versionsView) Older() []int {
	var numbers []int
	for n := v.Count - 1; n > 0; n-- {
		numbers = append(numbers, n)
	}
	return numbers
}

type versionGroup struct {
	Title string
	Rows  []versionRow
}

type versionRow struct {
	hub.Version
	Name    string // of the author
	Current bool
	Shown   bool
	Amount  string // how the size changed
	Same    int    // the number of an older version with the same contents, 0 without one
	View    string // addresses
	Load    string
	Where   string // the name it had then, if another
	Folded  []versionRow
	By      string // who made the folded ones
}

// versions lists the versions of the file at the spot as it is today; shown is the one on the page.
func (x *exchange) versions(at *hub.Spot, shown svn.Revnum) (*versionsView, error) {
	list, more, err := x.hub.Versions(x.ctx(), at)
	if err != nil {
		return nil, err
	}
	v := &versionsView{Address: folderAddress(at.Folder.Name, string(at.Path)), Count: len(list), More: more, Write: at.Right >= havre.RightWrite}
	if len(list) == 0 {
		return v, nil
	}
	v.Oldest, v.Shown = list[len(list)-1], list[0].Number
	for i := range list {
		if list[i].Rev <= shown {
			v.Shown = list[i].Number
			break
		}
	}
	numbers := map[havre.Hash]int{}
	rows := make([]versionRow, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		rows[i] = x.versionRow(at, v, list, i, numbers)
	}
	if err := x.amounts(at, rows); err != nil {
		return nil, err
	}
	for _, r := range x.fold(rows) {
		title := x.dayTitle(r.Time)
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Title != title {
			v.Groups = append(v.Groups, versionGroup{Title: title})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, r)
	}
	return v, nil
}

// versionRow makes a row of list[i]; numbers has the older ones by their contents.
func (x *exchange) versionRow(at *hub.Spot, v *versionsView, list []hub.Version, i int, numbers map[havre.Hash]int) versionRow {
	one := list[i]
	r := versionRow{
		Version: one, Name: x.authorName(one.Author), Current: i == 0, Shown: one.Number == v.Shown,
		View: fmt.Sprintf("%s?v=%d", v.Address, one.Number), Load: fmt.Sprintf("%s?v=%d&download", v.Address, one.Number),
	}
	if one.Path.Name() != at.Path.Name() {
		r.Where = one.Path.Name()
	}
	if one.Hash != "" {
		r.Same = numbers[one.Hash]
		if _, known := numbers[one.Hash]; !known {
			numbers[one.Hash] = one.Number
		}
	}
	switch d := one.Size; {
	case i+1 < len(list):
		if d -= list[i+1].Size; d > 0 {
			r.Amount = "+" + formatSize(x.lang, d)
		} else if d < 0 {
			r.Amount = "−" + formatSize(x.lang, -d)
		}
	default:
		r.Amount = formatSize(x.lang, d)
	}
	if r.Same == one.Number-1 {
		r.Same = 0
	}
	return r
}

// version finds one version of the file at the spot by its number.
func (x *exchange) version(at *hub.Spot, number int) (*hub.Version, error) {
	list, _, err := x.hub.Versions(x.ctx(), at)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Number == number {
			return &list[i], nil
		}
	}
	return nil, notFound()
}

// versionSpot is the file as ?v= of its today's address names it.
func (x *exchange) versionSpot(at *hub.Spot, text string) (*hub.Spot, error) {
	n, err := strconv.Atoi(text)
	if err != nil || at.Dir() {
		return nil, notFound()
	}
	v, err := x.version(at, n)
	if err != nil {
		return nil, err
	}
	return x.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, v.Path, v.Rev)
}

// compareNumbers reads "12..14", and "12" and "14" of two boxes that were ticked.
func compareNumbers(q url.Values) (from, to int, ok bool) {
	list := q["compare"]
	if len(list) == 1 {
		list = strings.Split(list[0], "..")
	}
	if len(list) != 2 {
		return 0, 0, false
	}
	from, err := strconv.Atoi(list[0])
	if err != nil {
		return 0, 0, false
	}
	to, err = strconv.Atoi(list[1])
	return from, to, err == nil && from > 0 && to > 0
}
