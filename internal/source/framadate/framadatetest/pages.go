package framadatetest

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"
)

// look is what a page of a poll shows.
type look struct {
	poll    *Poll
	admin   bool
	granted bool // the password was given, or there is none
	visible bool // results without the password
	editing string
	message string
	danger  bool
}

// page writes a page around its main part.
func (v *visit) page(title, main string, head ...string) {
	full := v.options.Name
	if title != "" {
		full = title + " - " + full
	}
	fmt.Fprintf(v.w, `<!DOCTYPE html>
<html lang="%s">
<head>
    <meta charset="utf-8">
    <title>%s</title>
%s
</head>
<body>
<div class="container ombre">
<header class="clearfix"><h1 class="row"><a href="%s" title="%s"><img src="logo.png" alt="%[5]s" class="img-responsive"/></a></h1><h2 class="lead"><i>%s</i></h2></header>
<main>
%s
</main>
</div>
</body>
</html>
`, v.code, entities(full), strings.Join(head, "\n"), entities(v.root()), html.EscapeString(v.options.Name), entities(title), main)
}

// failure is the page that says that there is no such poll, or that it may not be read.
func (v *visit) failure(text string) {
	v.page("", `<div class="alert alert-warning text-center"><h2>`+entities(text)+`</h2><p>&larr; <a href="`+entities(v.root())+`">`+v.options.Name+`</a></p></div>`)
}

// maintenance is where everything leads to when there is no database.
func (v *visit) maintenance() {
	failed := ""
	if v.options.Version >= V1_1 {
		failed = "<pre>SQLSTATE[HY000] [2002] Connection refused</pre>"
	}
	v.page("", `<div class="alert alert-warning text-center"><h2>`+v.options.Name+`: maintenance</h2>`+failed+`<p>&hellip;</p></div>`)
}

// poll is the page of a poll, public or for its author.
func (v *visit) poll(look *look) {
	p := look.poll
	head := []string{`<meta property="og:title" content="` + entities(p.Title+" - "+v.options.Name) + `" />`}
	if p.Description != "" {
		head = append(head, `<meta property="og:description" content="`+html.EscapeString(stripTags(markdown(p.Description, false)))+`" />`)
	}
	var main strings.Builder
	main.WriteString(`<div id="message-container">`)
	if look.message != "" {
		kind := "success"
		if look.danger {
			kind = "danger"
		}
		main.WriteString(`<div class="alert alert-dismissible alert-` + kind + ` hidden-print" role="alert">` + entities(look.message) + `</div>`)
	}
	main.WriteString(`</div><div id="nameErrorMessage" class="hidden alert alert-dismissible alert-danger hidden-print" role="alert">!</div>
<div id="genericErrorTemplate" class="hidden alert alert-dismissible alert-danger" role="alert"><span class="contents"></span></div>
`)
	if !look.granted && !look.visible {
		main.WriteString(v.password(look))
	} else {
		main.WriteString(v.info(look))
		main.WriteString(v.hint(look))
		if !look.granted {
			main.WriteString(v.password(look))
		}
		main.WriteString(v.table(look))
		main.WriteString(`<hr role="presentation" id="comments" class="hidden-print"/>` + v.comments(look))
		if !p.Locked && !v.expired(p) && look.granted {
			main.WriteString(v.commentForm(look))
		}
	}
	v.page(v.lang.poll+" - "+p.Title, main.String(), head...)
}

// password is the form that asks for it: not shown any more once the poll expired or is locked, though it would be taken.
func (v *visit) password(look *look) string {
	if v.expired(look.poll) || look.poll.Locked && !look.visible {
		return ""
	}
	return `<hr role="presentation" id="password_request" class="hidden-print"/>
<div class="panel panel-danger password_request alert-danger"><form method="POST" class="form-inline"><input type="hidden" name="poll" value="` + look.poll.ID + `"/>
<input type="password" name="password" id="password" class="form-control" /></form></div>`
}

// hint is the box that says how to vote, that the poll is locked, or that it has expired.
func (v *visit) hint(look *look) string {
	p := look.poll
	if v.expired(p) {
		return `<div class="alert alert-danger"><p>` + v.lang.expired + `</p>
<p>` + v.lang.deletion + ` ` + entities(v.lang.long(v.midnight(p.Expires.AddDate(0, 0, v.options.Purge)))) + `</p></div>`
	}
	kind := "info"
	if p.Locked && !look.admin {
		kind = "danger"
	}
	box := `<div class="alert alert-` + kind + `"><p>` + v.lang.votes + `</p><p aria-hidden="true"><b>` + v.lang.votes + `</b> <span class="glyphicon glyphicon-ok"></span> = ` + v.lang.yes + `</p></div>`
	if v.options.Version == V0_9 {
		return box
	}
	return `<div id="hint_modal" class="modal fade"><div class="modal-body">` + box + `</div></div>`
}

// info is what stands above the table.
func (v *visit) info(look *look) string {
	p, open := look.poll, look.admin && !v.expired(look.poll)
	edit := ""
	if open {
		edit = ` <button class="btn btn-link btn-sm btn-edit" title="` + v.lang.edit + `"><span class="sr-only">` + v.lang.edit + `</span></button>`
	}
	var out strings.Builder
	class := ""
	if look.admin {
		out.WriteString(`<form action="` + entities(v.address(p.Admin, true, "", "", "")) + `" method="POST">`)
		class = " bg-danger"
	}
	out.WriteString(`<div class="jumbotron` + class + `"><div id="title-form" class="col-md-7"><h3>` + entities(p.Title) + edit + `</h3>`)
	if open {
		out.WriteString(`<input type="text" id="newtitle" name="title" value="` + entities(p.Title) + `" />`)
	}
	out.WriteString(`</div><div class="btn-group">` + v.csvLink(look) + `</div>
<div id="name-form"><label class="control-label">&#8203;</label><p class="form-control-static">` + entities(p.Author) + edit + `</p>`)
	if open {
		out.WriteString(`<input type="text" id="newname" name="name" maxlength="32" value="` + entities(p.Author) + `" />`)
	}
	out.WriteString(`</div>`)
	if look.admin {
		out.WriteString(`<div id="email-form"><p>` + entities(p.Mail) + edit + `</p>`)
		if open {
			out.WriteString(`<input type="text" id="admin_mail" name="admin_mail" value="` + entities(p.Mail) + `" />`)
		}
		out.WriteString(`</div>`)
	}
	if look.admin || strings.Trim(p.Description, " \r\n") != "" {
		out.WriteString(`<div class="form-group col-md-8" id="description-form"><label class="control-label">Description` + edit + `</label>`)
		if v.options.Version >= V1_1 {
			out.WriteString(`<div class="form-control-static well poll-description">` + markdown(p.Description, false) + `</div>`)
		} else {
			out.WriteString(`<pre class="form-control-static well poll-description">` + entities(p.Description) + `</pre>`)
		}
		if open {
			out.WriteString(`<textarea id="newdescription" name="description">` + entities(p.Description) + `</textarea>`)
		}
		out.WriteString(`</div>`)
	}
	link := entities(v.address(p.ID, false, "", "", ""))
	out.WriteString(`<a class="public-link" href="` + link + `">&#8203;</a><input class="form-control" id="public-link" type="text" readonly="readonly" value="` + link + `" onclick="select();"/>`)
	if look.admin {
		out.WriteString(v.rules(look, edit))
	}
	out.WriteString(`</div>`)
	if look.admin {
		out.WriteString(`</form>`)
	}
	return out.String()
}

func (v *visit) csvLink(look *look) string {
	switch {
	case look.admin && v.options.Version >= V1_0:
		return `<a href="` + entities(v.root()) + `exportcsv.php?admin=` + look.poll.Admin + `" class="btn btn-default">CSV</a>`
	case !look.poll.Hidden || v.options.Version == V0_9:
		return `<a href="` + entities(v.root()) + `exportcsv.php?poll=` + look.poll.ID + `" class="btn btn-default">CSV</a>`
	}
	return ""
}

// rules are the author's settings.
func (v *visit) rules(look *look, edit string) string {
	p := look.poll
	date := p.Expires.In(v.options.Zone).Format(v.lang.date)
	checked := func(yes bool) string {
		if yes {
			return ` checked="checked"`
		}
		return ""
	}
	rule := [...]string{"1", "2", "3"}[p.Editable]
	if p.Locked {
		rule = "0"
	}
	link := entities(v.address(p.Admin, true, "", "", ""))
	var out strings.Builder
	out.WriteString(`<a class="admin-link" href="` + link + `">&#8203;</a><input id="admin-link" type="text" readonly="readonly" value="` + link + `" onclick="select();"/>
<div id="expiration-form"><p>` + entities(date) + edit + `</p>`)
	if v.options.Version >= V1_0 || !v.expired(p) {
		out.WriteString(`<input type="text" id="newexpirationdate" name="expiration_date" value="` + entities(date) + `" />`)
	}
	out.WriteString(`</div>`)
	if v.options.Version >= V1_0 {
		out.WriteString(`<div id="password-form"><p>` + map[bool]string{true: "*", false: "-"}[p.Password != ""] + `</p>`)
		if p.Password != "" {
			out.WriteString(`<input type="checkbox" id="removePassword" name="removePassword"/>`)
		}
		out.WriteString(`<input type="checkbox" id="resultsPubliclyVisible" name="resultsPubliclyVisible"` + checked(p.ResultsPublic && p.Password != "") + `/><input type="text" id="password" name="password"/></div>`)
	}
	out.WriteString(`<div id="poll-hidden-form"><input type="checkbox" id="hidden" name="hidden"` + checked(p.Hidden) + `/></div><div id="poll-rules-form"><select id="rules" name="rules">`)
	for _, value := range []string{"0", "1", "3", "2"} {
		selected := ""
		if value == rule {
			selected = ` selected="selected"`
		}
		out.WriteString(`<option value="` + value + `"` + selected + `>` + value + `</option>`)
	}
	out.WriteString(`</select></div>`)
	return out.String()
}

// comments is the list of them.
func (v *visit) comments(look *look) string {
	p, expired := look.poll, v.expired(look.poll)
	numbers := !expired && (look.admin || v.options.Version >= V1_1_18)
	var out strings.Builder
	// What the form would send goes to an address without a poll, on public pages.
	out.WriteString(`<div id="comments_list"><form action="` + entities(v.root()) + `/admin" method="POST">`)
	for _, c := range p.Comments {
		out.WriteString(`<div class="comment">`)
		if numbers {
			fmt.Fprintf(&out, `<button type="submit" name="delete_comment" value="%d" class="btn btn-link"><span class="sr-only">%s</span></button>`, c.Number, v.lang.no)
		}
		if v.options.Version == V0_9 {
			out.WriteString(`<b>` + entities(c.Name) + `</b>&nbsp;<span class="comment">` + breaks(c.Text) + `</span></div>`)
			continue
		}
		out.WriteString(`<span class="comment_date">` + c.Date.In(v.options.Database).Format(v.lang.datetime) + `</span>
<b>` + entities(c.Name) + `</b>&nbsp;
<span>` + breaks(c.Text) + `</span></div>`)
	}
	out.WriteString(`</form><div id="comments_alerts"></div></div>`)
	if v.options.Version == V0_9 {
		return strings.TrimSuffix(strings.TrimPrefix(out.String(), `<div id="comments_list">`), `<div id="comments_alerts"></div></div>`)
	}
	return out.String()
}

func (v *visit) commentForm(look *look) string {
	if v.options.Version == V0_9 {
		return `<form method="POST"><input type="text" name="name" id="comment_name"/><textarea name="comment" id="comment"></textarea><input type="submit" name="add_comment" value="+"></form>`
	}
	admin := ""
	if look.admin {
		admin = `<input type="hidden" name="poll_admin" value="` + look.poll.Admin + `"/>`
	}
	return `<form action="` + entities(v.root()) + `action/add_comment.php" method="POST" id="comment_form"><input type="hidden" name="poll" value="` + look.poll.ID + `"/>` + admin + `
<input type="text" name="name" id="comment_name" maxlength="60" /><textarea name="comment" id="comment"></textarea><input type="submit" id="add_comment" name="add_comment" value="+"></form>`
}

// ical answers with one event: any day and moment, all-day unless the moment is understood. True if it has answered.
func (v *visit) ical(p *Poll, value string) bool {
	day, moment, found := strings.Cut(value, "|")
	date, err := time.Parse("02-01-2006", day)
	if !found || err != nil {
		v.w.WriteHeader(http.StatusInternalServerError)
		_, _ = v.w.Write([]byte("Internal error"))
		return false
	}
	v.w.Header().Set("Content-Type", "text/calendar;charset=UTF-8")
	start := "DTSTART;VALUE=DATE:" + date.Format("20060102")
	if t, err := time.Parse("15:04", moment); err == nil {
		start = "DTSTART;TZID=" + v.options.Zone.String() + ":" + date.Format("20060102") + t.Format("T150405")
	}
	v.number++
	fmt.Fprintf(v.w, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Framasoft//Framadate//EN\r\nBEGIN:VEVENT\r\nUID:sabre-vobject-%d\r\nSUMMARY:%s\r\n%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", v.number, p.Title, start)
	return true
}
