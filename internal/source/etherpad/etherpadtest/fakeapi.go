package etherpadtest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// at returns the text as it was at a revision.
func (p *fakePad) at(rev int) (*changeset.Text, error) {
	t := changeset.New(p.text.Pool())
	for _, r := range p.revs[:rev+1] {
		c, err := changeset.Parse(r.changeset)
		if err != nil {
			return nil, err
		}
		if err := t.Apply(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (f *Fake) apiVersion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	version := "1.3.0"
	if f.old() {
		version = "1.2.15"
	}
	fmt.Fprintf(w, `{"currentVersion":%q}`, version)
}

// functions are those that the fake has, and the first version of the API with each.
var functions = map[string]string{
	"createPad": "1", "deletePad": "1", "getText": "1", "setText": "1", "getReadOnlyID": "1", "createGroup": "1",
	"createGroupPad": "1", "listPads": "1", "setPublicStatus": "1", "createAuthor": "1", "createSession": "1",
	"createAuthorIfNotExistsFor": "1", "listSessionsOfAuthor": "1",
	"listAllGroups": "1.1", "listAllPads": "1.2.1", "saveRevision": "1.2.11",
}

var versions = []string{"1", "1.1", "1.2", "1.2.1", "1.2.7", "1.2.8", "1.2.9", "1.2.10", "1.2.11", "1.2.12", "1.2.13", "1.2.14", "1.2.15", "1.3.0"}

func (f *Fake) api(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, "/api/")
	if rest == "" {
		f.apiVersion(w, r)
		return
	}
	version, function, _ := strings.Cut(rest, "/")
	if !slices.Contains(versions, version) {
		cannot(w, r)
		return
	}
	answer := func(status, code int, message string, data any) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		w.Write(mustJSON(map[string]any{"code": code, "message": message, "data": data}))
	}
	since, known := functions[function]
	if !known || slices.Index(versions, since) > slices.Index(versions, version) {
		answer(http.StatusNotFound, 3, "no such function", nil)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.options.OAuth != "" {
		bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !f.tokens[bearer] && r.FormValue("apikey") != f.key {
			answer(http.StatusUnauthorized, 4, "no or wrong OAuth token", nil)
			return
		}
	} else if r.FormValue("apikey") != f.key {
		answer(http.StatusUnauthorized, 4, "no or wrong API Key", nil)
		return
	}
	data, err := f.call(function, r.FormValue)
	if err != nil {
		answer(http.StatusOK, 1, err.Error(), nil)
		return
	}
	answer(http.StatusOK, 0, "ok", data)
}

// call is a function of the API; it is called with the lock held.
func (f *Fake) call(function string, arg func(string) string) (any, error) {
	name := arg("padID")
	p := f.pads[name]
	switch function {
	case "createPad", "createGroupPad":
		if function == "createGroupPad" {
			if !f.groups[arg("groupID")] {
				return nil, fmt.Errorf("groupID does not exist")
			}
			name = arg("groupID") + "$" + arg("padName")
			p = f.pads[name]
		}
		if p != nil {
			return nil, fmt.Errorf("padID does already exist")
		}
		begin := arg("text")
		_, err := f.makePad(name, &begin, "")
		return map[string]any{"padID": name}, err
	case "createGroup":
		group := id("g.", fmt.Sprint(f.address, len(f.groups)), 16)
		f.groups[group] = true
		return map[string]any{"groupID": group}, nil
	case "createAuthor":
		author := id("a.", fmt.Sprint(f.address, len(f.authors)), 16)
		f.authors[author] = &fakeAuthor{Name: arg("name"), Color: 1}
		return map[string]any{"authorID": author}, nil
	case "createAuthorIfNotExistsFor":
		author := id("a.", f.address+arg("authorMapper"), 16)
		if f.authors[author] == nil {
			f.authors[author] = &fakeAuthor{Name: arg("name"), Color: 1}
		}
		return map[string]any{"authorID": author}, nil
	case "createSession":
		if !f.groups[arg("groupID")] {
			return nil, fmt.Errorf("groupID does not exist")
		}
		session := id("s.", fmt.Sprint(f.address, len(f.sessions)), 16)
		f.sessions[session] = arg("groupID")
		f.lasting[session] = []string{arg("authorID"), arg("validUntil")}
		return map[string]any{"sessionID": session}, nil
	case "listSessionsOfAuthor":
		list := map[string]any{}
		for session, of := range f.lasting {
			until, err := strconv.ParseInt(of[1], 10, 64)
			if of[0] == arg("authorID") && err == nil {
				list[session] = map[string]any{"groupID": f.sessions[session], "authorID": of[0], "validUntil": until}
			}
		}
		return list, nil
	case "listAllPads":
		return map[string]any{"padIDs": f.padNames()}, nil
	case "listAllGroups":
		groups := []string{}
		for g := range f.groups {
			groups = append(groups, g)
		}
		return map[string]any{"groupIDs": groups}, nil
	case "listPads":
		group := arg("groupID")
		if !f.groups[group] {
			return nil, fmt.Errorf("groupID does not exist")
		}
		pads := []string{}
		for _, n := range f.padNames() {
			if strings.HasPrefix(n, group+"$") {
				pads = append(pads, n)
			}
		}
		return map[string]any{"padIDs": pads}, nil
	}
	if p == nil {
		return nil, fmt.Errorf("padID does not exist")
	}
	switch function {
	case "deletePad":
		delete(f.readOnly, f.readOnlyID(name))
		delete(f.pads, name)
		for s := range f.sockets {
			if s.pad == p {
				s.message(map[string]any{"disconnect": "deleted"})
				s.pad = nil
			}
		}
		return nil, nil
	case "getText":
		return map[string]any{"text": p.text.String()}, nil
	case "getReadOnlyID":
		return map[string]any{"readOnlyID": f.readOnlyID(name)}, nil
	case "setPublicStatus":
		p.public = arg("publicStatus") == "true"
		return nil, nil
	case "setText":
		return nil, f.write(p, 0, p.text.Len()-1, strings.TrimSuffix(arg("text"), "\n"), "")
	}
	return nil, io.EOF
}
