package framadatetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var oldDate = regexp.MustCompile(`^[0-9]{2}/[0-9]{2}/[0-9]{4}$`)

// save adds or changes a vote, if the request is for that.
func (v *visit) save(look *look) {
	if !v.form.Has("save") {
		return
	}
	p := look.poll
	name := strings.TrimSpace(v.r.PostFormValue("name"))
	allowed := " 012"
	if v.options.Version == V0_9 {
		allowed = "012"
	}
	var choices strings.Builder
	for i := 0; v.form.Has(fmt.Sprintf("choices[%d]", i)); i++ {
		choice := v.r.PostFormValue(fmt.Sprintf("choices[%d]", i))
		if len(choice) != 1 || !strings.Contains(allowed, choice) {
			look.message, look.danger = "There is a problem with your choices", true
			return
		}
		choices.WriteString(choice)
	}
	number := v.r.PostFormValue("save")
	yes, _ := p.count()
	for i := range choices.Len() {
		if p.Max > 0 && i < len(yes) && yes[i] >= p.Max && choices.String()[i] == '2' && len(p.Votes) > 0 {
			look.message, look.danger = "Your vote wasn't counted", true
			return
		}
	}
	taken := slices.ContainsFunc(p.Votes, func(o *Vote) bool {
		return strings.EqualFold(o.Name, name) && fmt.Sprint(o.Number) != number
	})
	switch {
	case name == "" || taken || v.r.PostFormValue("control") != p.control():
		look.message, look.danger = "Adding vote failed", true
	case number != "":
		for _, vote := range p.Votes {
			if fmt.Sprint(vote.Number) == number {
				vote.Name, vote.Choices = name, choices.String()
			}
		}
	default:
		v.number++
		vote := &Vote{Number: v.number, Uniq: v.token(16), Name: name, Choices: choices.String()}
		p.Votes = append(p.Votes, vote)
		look.message = "Adding the vote succeeded"
		if p.Editable == EditOwn && !look.admin {
			v.session.own[p.ID] = vote.Uniq
		}
	}
}

// update changes one field of a poll, from its administration page.
func (v *visit) update(p *Poll) {
	form := v.form
	switch form.Get("update_poll_info") {
	case "title":
		p.Title = form.Get("title")
	case "name":
		p.Author = form.Get("name")
	case "description":
		p.Description = strings.ReplaceAll(form.Get("description"), "\r\n", "\n")
	case "hidden":
		p.Hidden = form.Get("hidden") != ""
	case "rules":
		p.Locked = form.Get("rules") == "0"
		p.Editable = map[string]Rights{"2": EditAll, "3": EditOwn}[form.Get("rules")]
	case "expiration_date":
		if end, ok := v.parseDate(form.Get("expiration_date")); ok {
			p.Expires = v.clampEnd(end)
		}
	}
}

// addComment stores one, unless it is there already.
func (v *visit) addComment(p *Poll, name, text string) bool {
	name, text = strings.TrimSpace(name), strings.ReplaceAll(text, "\r\n", "\n")
	if name == "" || strings.TrimSpace(text) == "" {
		return false
	}
	if !slices.ContainsFunc(p.Comments, func(c *Comment) bool { return c.Name == name && c.Text == text }) {
		v.number++
		p.Comments = append(p.Comments, &Comment{Number: v.number, Name: name, Text: text, Date: v.options.Now()})
	}
	return true
}

// addCommentAction is action/add_comment.php: JSON that says it is HTML.
func (v *visit) addCommentAction() {
	p := v.find(v.r.PostFormValue("poll"))
	admin := v.findAdmin(v.r.PostFormValue("poll_admin")) != nil
	answer := map[string]any{"result": false, "comments": ""}
	kind, text := "error", v.lang.missing
	switch {
	case p == nil:
	case !admin && !v.granted(p):
		text = v.lang.wrong
	default:
		added := v.addComment(p, v.r.PostFormValue("name"), v.r.PostFormValue("comment"))
		kind, text = "danger", "Comment failed"
		if added {
			kind, text = "success", "Comment added"
		}
		answer["result"] = added
		answer["comments"] = v.comments(&look{poll: p, admin: admin, granted: true})
	}
	answer["message"] = map[string]any{"type": kind, "message": text, "link": nil}
	data, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	_, _ = v.w.Write(data)
}

// parseDate reads a date in the form of the visitor's language.
func (v *visit) parseDate(text string) (time.Time, bool) {
	layout := v.lang.date
	if v.options.Version == V0_9 {
		layout = "02/01/2006"
	}
	t, err := time.ParseInLocation(layout, text, v.options.Zone)
	return t, err == nil
}

func (v *visit) clampEnd(end time.Time) time.Time {
	now := v.options.Now()
	least, most := now.AddDate(0, 0, 1), now.AddDate(0, 0, 180)
	if end.Before(least) {
		return least
	}
	if end.After(most) {
		return most
	}
	return end
}

// createFirst is create_poll.php: the title, the author and the rules.
func (v *visit) createFirst() {
	form := v.form
	kind := form.Get("gotostep2")
	if kind != "date" && kind != "classic" {
		v.page("1/3", v.createForm(""))
		return
	}
	p := &Poll{
		Title: form.Get("title"), Author: strings.TrimSpace(form.Get("name")), Description: strings.ReplaceAll(form.Get("description"), "\r\n", "\n"),
		Hidden: form.Get("hidden") != "", Editable: Rights(strings.Index("012", form.Get("editable"))), Mail: form.Get("mail"),
	}
	problem := ""
	switch {
	case strings.TrimSpace(p.Title) == "" || p.Author == "" || p.Author != form.Get("name") || form.Get("editable") == "":
		problem = "title"
	case v.options.Version >= V1_1 && len([]rune(p.Author)) > 32:
		problem = "name"
	case v.options.Mail && !strings.Contains(p.Mail, "@"):
		problem = "email"
	case form.Get("use_customized_url") != "" && v.options.Version >= V1_0:
		p.ID = form.Get("customized_url")
		if !validID.MatchString(p.ID) || v.find(p.ID) != nil || p.ID == "admin" || p.ID == "vote" || p.ID == "action" {
			problem = "customized_url"
		}
	}
	if problem != "" {
		v.page("Error", v.createForm(problem))
		return
	}
	v.session.form = p
	v.w.Header().Set("Location", "create_"+kind+"_poll.php")
	v.w.WriteHeader(http.StatusFound)
}

func (v *visit) createForm(problem string) string {
	mail, wrong := "", ""
	if v.options.Mail {
		mail = `<input id="email" required type="email" name="mail" class="form-control" value="" />`
	}
	if problem != "" {
		wrong = `<div class="alert alert-danger"><p id="poll_` + problem + `_error">!</p></div><div class="form-group has-error"></div>`
	}
	custom := ""
	if v.options.Version >= V1_0 {
		custom = `<input id="use_customized_url" name="use_customized_url" type="checkbox"/><input id="customized_url" type="text" name="customized_url" value="" />`
	}
	if v.options.Version >= V1_1 {
		custom += `<input id="use_ValueMax" name="use_ValueMax" type="checkbox" /><input id="ValueMax" type="number" min="0" name="ValueMax" value="" />`
	}
	return `<form name="formulaire" id="formulaire" method="POST" class="form-horizontal">
<input id="yourname" type="text" required maxlength="32" name="name" value="" />` + mail + `
<input id="poll_title" type="text" name="title" required value="" /><textarea id="poll_comments" name="description"></textarea>` + custom + wrong + `
<input type="radio" name="editable" value="1"><input type="radio" name="editable" value="2"><input type="radio" name="editable" checked value="0">
<input type="checkbox" name="hidden"><button name="gotostep2" value="date" type="submit"></button></form>`
}

// createNext is create_date_poll.php or create_classic_poll.php: the options, then the expiry and the confirmation.
func (v *visit) createNext(classic bool) {
	p, form := v.session.form, v.form
	if p == nil {
		v.failure("You haven't filled the first section of the poll creation.")
		return
	}
	p.Classic = classic
	switch {
	case form.Get("confirmation") != "" || classic && v.options.Version == V0_9 && form.Has("confirmecreation"):
		v.create(p)
	case form.Get("choixheures") != "" || form.Has("fin_sondage_autre"):
		if !v.takeOptions(p) {
			v.w.WriteHeader(http.StatusInternalServerError)
			return
		}
		layout, name := v.lang.date, "confirmation"
		if v.options.Version == V0_9 {
			layout = "02/01/2006"
			if classic {
				name = "confirmecreation"
			}
		}
		end := v.options.Now().AddDate(0, 0, 180).Format(layout)
		v.page("3/3", `<form name="formulaire" method="POST" class="form-horizontal"><div class="well summary"><ul></ul></div>
<input type="text" class="form-control" id="enddate" data-date-format="`+v.lang.picker+`" name="enddate" value="`+end+`" size="10" maxlength="10" />
<button name="`+name+`" value="confirmation" type="submit" class="btn btn-success">+</button></form>`)
	case classic:
		v.page("2/3", `<form name="formulaire" method="POST"><input type="text" name="choices[]" id="choice0" value="" />
<button name="fin_sondage_autre" value="Next" type="submit">+</button></form>`)
	default:
		picker := v.lang.picker
		if v.options.Version == V0_9 {
			picker = "jj/mm/aaaa"
		}
		v.page("2/3", `<form name="formulaire" method="POST"><div id="days_container"><input type="text" id="day0" data-date-format="`+picker+`" name="days[]" value="" />
<input type="text" class="form-control hours" id="d0-h0" name="horaires0[]" value=""/></div><button name="choixheures" value="Next" type="submit">+</button></form>`)
	}
}

// takeOptions takes what step 2 sent. A date in another form than the language's is a crash of the program: false.
func (v *visit) takeOptions(p *Poll) bool {
	form := v.form
	p.Slots = nil
	for _, choice := range form["choices[]"] {
		if choice != "" && choice != "0" {
			p.Slots = append(p.Slots, Slot{Title: stripTags(choice)})
		}
	}
	for i, day := range form["days[]"] {
		if day == "" {
			continue
		}
		date, ok := v.parseDate(day)
		if !ok {
			return false
		}
		slot := Slot{Day: date}
		for _, moment := range form[fmt.Sprintf("horaires%d[]", i)] {
			if moment != "" && moment != "0" {
				slot.Moments = append(slot.Moments, stripTags(moment))
			}
		}
		p.Slots = append(p.Slots, slot)
	}
	return true
}

// create stores the poll and sends the visitor to its administration. Before 1.1.18 an expiry that is not dd/mm/yyyy,
// whatever the language, is the latest there can be; after it is a crash.
func (v *visit) create(p *Poll) {
	text := v.r.PostFormValue("enddate")
	p.Expires = v.options.Now().AddDate(0, 0, 180)
	if v.options.Version < V1_1_18 {
		if end, err := time.ParseInLocation("02/01/2006", text, v.options.Zone); err == nil && oldDate.MatchString(text) {
			p.Expires = v.clampEnd(end)
		}
	} else {
		end, ok := v.parseDate(text)
		if !ok {
			v.w.WriteHeader(http.StatusInternalServerError)
			return
		}
		p.Expires = v.clampEnd(end)
	}
	v.session.form = nil
	v.add(p)
	v.w.Header().Set("Location", v.address(p.Admin, true, "", "", ""))
	v.w.WriteHeader(http.StatusFound)
}
