package framadatetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// table is that of the votes, with everything around it.
func (v *visit) table(look *look) string {
	p := look.poll
	var out strings.Builder
	hidden := p.Hidden && !look.admin
	out.WriteString(`<h3>` + v.lang.votes)
	if p.Hidden {
		out.WriteString(` <i>(` + v.lang.hidden + `)</i>`)
	}
	out.WriteString(`</h3><div id="tableContainer" class="tableContainer"><form action="` + entities(v.address(p.ID, false, "", "", "")) + `" method="POST" id="poll_form">
<input type="hidden" name="control" value="` + p.control() + `"/><table class="results"><caption class="sr-only">` + entities(p.Title) + `</caption><thead>`)
	if look.admin && !v.expired(p) {
		out.WriteString(v.removeRow(look))
	}
	headers := v.header(&out, p)
	out.WriteString(`</thead><tbody>`)
	for _, vote := range p.Votes {
		switch {
		case look.editing == vote.Uniq && !v.expired(p):
			v.editRow(&out, vote, headers)
		case !hidden:
			v.voteRow(&out, look, vote, headers)
		}
	}
	if !p.Locked && look.editing == "" && !v.expired(p) && look.granted {
		v.voteForm(&out, p, headers)
	}
	yes, inb := p.count()
	most := 0
	if len(yes) > 0 {
		most = slices.Max(yes)
	}
	if !hidden && most > 0 {
		out.WriteString(`<tr id="addition"><td>` + strconv.Itoa(len(p.Votes)) + `</td>`)
		for i := range yes {
			out.WriteString(`<td>`)
			if yes[i] > 0 {
				fmt.Fprintf(&out, `<span class="yes-count">%d</span>`, yes[i])
			}
			if inb[i] > 0 {
				fmt.Fprintf(&out, `<br/><span class="small text-muted">(+<span class="inb-count">%d</span>)</span>`, inb[i])
			}
			out.WriteString(`</td>`)
		}
		out.WriteString(`</tr>`)
	}
	out.WriteString(`</tbody></table></form></div>`)
	if !hidden && most > 0 {
		v.best(&out, p, yes, most)
	}
	return out.String()
}

// removeRow is the row of links that delete columns.
func (v *visit) removeRow(look *look) string {
	p := look.poll
	class := "btn btn-link btn-sm remove-column"
	if v.options.Version == V0_9 {
		class = "btn btn-link btn-sm"
	}
	var out strings.Builder
	out.WriteString(`<tr class="hidden-print"><th role="presentation"></th>`)
	link := func(value string) {
		out.WriteString(`<td><a href="` + entities(v.address(p.Admin, true, "", "delete_column", value)) + `" class="` + class + `"><span class="sr-only">-</span></a></td>`)
	}
	for _, slot := range p.Slots {
		if p.Classic {
			link(slot.Title)
			continue
		}
		for _, moment := range slot.Moments {
			link(fmt.Sprintf("%d@%s", v.midnight(slot.Day).Unix(), moment))
		}
	}
	out.WriteString(`<td><a href="` + entities(v.address(p.Admin, true, "", "add_column", "")) + `">+</a></td></tr>`)
	return out.String()
}

// header writes the rows that name the columns, and returns the headers attribute of each column's cells.
func (v *visit) header(out *strings.Builder, p *Poll) []string {
	var headers []string
	if p.Classic {
		out.WriteString(`<tr><th role="presentation"></th>`)
		for i, slot := range p.Slots {
			title := plain(v.options.Version, slot.Title)
			if strings.Contains(title, "![") {
				title = ""
			}
			fmt.Fprintf(out, `<th class="bg-info" id="C%d" title="%s">%s</th>`, i, title, choice(v.options.Version, slot.Title))
			headers = append(headers, fmt.Sprintf("C%d", i))
		}
		out.WriteString(`<th></th></tr>`)
		return headers
	}
	// The months' ids are one too far, and the cells name others.
	out.WriteString(`<tr><th role="presentation"></th>`)
	span, previous := 0, ""
	for i, slot := range p.Slots {
		month := entities(v.lang.monthYear(slot.Day.In(v.options.Zone)))
		if previous != "" && previous != month {
			fmt.Fprintf(out, `<th colspan="%d" class="bg-primary month" id="M%d">%s</th>`, span, i, previous)
			span = 0
		}
		span += len(slot.Moments)
		if i == len(p.Slots)-1 {
			fmt.Fprintf(out, `<th colspan="%d" class="bg-primary month" id="M%d">%s</th>`, span, i, month)
		}
		previous = month
	}
	out.WriteString(`<th></th></tr><tr><th role="presentation"></th>`)
	for i, slot := range p.Slots {
		fmt.Fprintf(out, `<th colspan="%d" class="bg-primary day" id="D%d">%s</th>`, len(slot.Moments), i, entities(v.lang.day(slot.Day.In(v.options.Zone))))
	}
	out.WriteString(`<th></th></tr><tr><th role="presentation"></th>`)
	for i, slot := range p.Slots {
		for _, moment := range slot.Moments {
			fmt.Fprintf(out, `<th colspan="1" class="bg-info" id="H%d">%s</th>`, len(headers), entities(moment))
			headers = append(headers, fmt.Sprintf("M%d D%d H%d", i, i, len(headers)))
		}
	}
	out.WriteString(`<th></th></tr>`)
	return headers
}

// editable says whether the page shows the link that edits a vote.
func (v *visit) editable(look *look, vote *Vote) bool {
	p := look.poll
	return !p.Locked && !v.expired(p) && look.granted &&
		(p.Editable == EditAll || look.admin || p.Editable == EditOwn && v.session.own[p.ID] == vote.Uniq)
}

func (v *visit) editLink(look *look, vote *Vote) string {
	p := look.poll
	address := v.address(p.ID, false, vote.Uniq, "", "")
	if look.admin {
		address = v.address(p.Admin, true, vote.Uniq, "", "")
	}
	return `<a href="` + entities(address) + `" class="btn btn-default btn-sm" title="` + entities(v.lang.edit+" "+vote.Name) + `"><span class="sr-only">` + v.lang.edit + `</span></a>`
}

func (v *visit) voteRow(out *strings.Builder, look *look, vote *Vote, headers []string) {
	p := look.poll
	editable := v.editable(look, vote)
	out.WriteString(`<tr><th class="bg-info">` + entities(vote.Name) + "\n\t\t\t\t")
	if editable && v.options.Version >= V1_1 && (p.Classic || len(p.Slots) > 4) {
		out.WriteString(`<span class="edit-username-left">` + v.editLink(look, vote) + `</span>`)
	}
	out.WriteString(`</th>`)
	for i, header := range headers {
		choice := byte(' ')
		if i < len(vote.Choices) {
			choice = vote.Choices[i]
		} else if v.options.Version == V0_9 {
			break // only the cells that the vote has
		}
		cell := map[byte]string{
			'2': `<td class="bg-success text-success" headers="%s"><i class="glyphicon glyphicon-ok"></i><span class="sr-only">` + v.lang.yes,
			'1': `<td class="bg-warning text-warning" headers="%s">(<i class="glyphicon glyphicon-ok"></i>)<span class="sr-only">` + v.lang.inb,
			'0': `<td class="bg-danger text-danger" headers="%s"><i class="glyphicon glyphicon-ban-circle"></i><span class="sr-only">` + v.lang.no,
		}[choice]
		if cell == "" {
			cell = `<td class="bg-info" headers="%s"><span class="sr-only">` + v.lang.unknown
			if v.options.Version == V0_9 {
				cell = `<td class="bg-danger text-danger" headers="%s"><span class="sr-only">` + v.lang.no
			}
		}
		fmt.Fprintf(out, cell+`</span></td>`, header)
	}
	if !editable {
		out.WriteString(`<td></td></tr>`)
		return
	}
	out.WriteString(`<td class="hidden-print">` + v.editLink(look, vote))
	if look.admin {
		if v.options.Version >= V1_1 {
			out.WriteString(`<a href="` + entities(v.address(p.ID, false, vote.Uniq, "", "")) + `" class="btn btn-default btn-sm clipboard-url"></a>`)
		}
		out.WriteString(`<a href="` + entities(v.address(p.Admin, true, "", "delete_vote", strconv.Itoa(vote.Number))) + `" class="btn btn-default btn-sm"><span class="sr-only">-</span></a>`)
	}
	out.WriteString(`</td></tr>`)
}

// radios are the choices of one cell; a full column has no yes.
func (v *visit) radios(out *strings.Builder, i int, choice byte, full bool) {
	out.WriteString(`<ul class="list-unstyled choice">`)
	for _, option := range []struct {
		class string
		value byte
	}{{"yes", '2'}, {"ifneedbe", '1'}, {"no", '0'}, {"hide", ' '}} {
		if full && (option.value == '2' || option.value == '1') || option.value == ' ' && v.options.Version == V0_9 {
			continue
		}
		checked := ""
		if option.value == choice {
			checked = "checked "
		}
		fmt.Fprintf(out, `<li class="%s"><input type="radio" name="choices[%d]" value="%c" %s/></li>`, option.class, i, option.value, checked)
	}
	out.WriteString(`</ul>`)
}

func (v *visit) editRow(out *strings.Builder, vote *Vote, headers []string) {
	out.WriteString(`<tr class="hidden-print"><td class="bg-info btn-edit"><div class="input-group" id="edit"><input type="hidden" name="edited_vote" value="` + vote.Uniq + `"/>
<input type="text" id="name" name="name" value="` + entities(vote.Name) + `" /></div></td>`)
	for i, header := range headers {
		choice := byte(' ')
		if i < len(vote.Choices) && strings.IndexByte("012", vote.Choices[i]) >= 0 {
			choice = vote.Choices[i]
		}
		out.WriteString(`<td class="bg-info" headers="` + header + `">`)
		v.radios(out, i, choice, false)
		out.WriteString(`</td>`)
	}
	fmt.Fprintf(out, `<td class="btn-edit"><button type="submit" name="save" value="%d">+</button></td></tr>`, vote.Number)
}

func (v *visit) voteForm(out *strings.Builder, p *Poll, headers []string) {
	yes, _ := p.count()
	out.WriteString(`<tr id="vote-form" class="hidden-print"><td class="bg-info btn-edit"><input type="text" id="name" name="name" /></td>`)
	for i, header := range headers {
		out.WriteString(`<td class="bg-info" headers="` + header + `">`)
		v.radios(out, i, ' ', p.Max > 0 && yes[i] >= p.Max)
		out.WriteString(`</td>`)
	}
	out.WriteString(`<td><button type="submit" name="save">+</button></td></tr>`)
}

// best is the list below the table of the columns with the most yes.
func (v *visit) best(out *strings.Builder, p *Poll, yes []int, most int) {
	out.WriteString(`<div class="row best-choice"><div class="alert alert-info"><ul class="list-unstyled">`)
	column := 0
	for _, slot := range p.Slots {
		if p.Classic {
			if yes[column] == most {
				out.WriteString(`<li><strong>` + choice(v.options.Version, slot.Title) + `</strong></li>`)
			}
			column++
			continue
		}
		for _, moment := range slot.Moments {
			if yes[column] == most {
				out.WriteString(`<li><strong>` + entities(v.lang.long(slot.Day.In(v.options.Zone))+" - "+moment) + `</strong>`)
				if v.options.Version >= V1_1_17 {
					day := slot.Day.In(v.options.Zone).Format("02-01-2006")
					out.WriteString(`<a href="` + entities(v.address(p.ID, false, "", "get_ical_file", day+"|"+moment)) + `"></a>`)
				}
				out.WriteString(`</li>`)
			}
			column++
		}
	}
	fmt.Fprintf(out, `</ul><p><b>%d</b></p></div></div>`, most)
}

// csv is exportcsv.php, with what it loses.
func (v *visit) csv() {
	p, admin := v.find(v.query.Get("poll")), false
	if !v.query.Has("poll") || v.query.Get("poll") == "" {
		p = nil
		if v.options.Version >= V1_0 && v.query.Get("admin") != "" {
			p, admin = v.findAdmin(v.query.Get("admin")), true
		}
	}
	if p == nil {
		v.failure(v.lang.missing)
		return
	}
	if v.options.Version >= V1_0 && !admin && (p.Hidden || !v.granted(p) && !p.ResultsPublic) {
		v.failure(v.lang.forbidden)
		return
	}
	var out strings.Builder
	field := func(text string) { out.WriteString(csvField(v.options.Version, text) + ",") }
	out.WriteString(",")
	if p.Classic {
		for _, slot := range p.Slots {
			out.WriteString(plain(v.options.Version, slot.Title) + ",")
		}
	} else {
		var moments strings.Builder
		for _, slot := range p.Slots {
			for _, moment := range slot.Moments {
				field(slot.Day.In(v.options.Zone).Format(v.lang.date))
				moments.WriteString(csvField(v.options.Version, moment) + ",")
			}
		}
		out.WriteString("\r\n," + moments.String())
	}
	out.WriteString("\r\n")
	for _, vote := range p.Votes {
		field(vote.Name)
		for _, choice := range vote.Choices {
			text := map[rune]string{'2': v.lang.yes, '1': v.lang.inb, '0': v.lang.no}[choice]
			switch {
			case text == "" && v.options.PHP7:
				text = v.lang.no
			case text == "" && v.options.Version < V1_1:
				text = "unkown" //nolint:misspell // that is what it writes
			case text == "":
				text = v.lang.unknown
			}
			field(text)
		}
		out.WriteString("\r\n")
	}
	header := v.w.Header()
	header.Set("Content-Type", "text/csv; charset=utf-8")
	header.Set("Content-Disposition", `attachment; filename="`+p.Title+`.csv"`)
	header.Set("Cache-Control", "max-age=10")
	_, _ = v.w.Write([]byte(out.String()))
}
