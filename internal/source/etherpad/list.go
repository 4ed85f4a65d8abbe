package etherpad

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// maxList bounds what an instance lists. A hundred thousand pads have 3 MB.
const maxList = 64 << 20

// Sessions with which the private pads of groups are read: made for a year, and used again until they end soon.
const (
	sessionLength = 365 * 24 * time.Hour
	sessionLeft   = 60 * 24 * time.Hour
)

// List says which pads there are: of a group or of a whole instance, by its API, or of an account of MyPads. A key of the API
// also opens the private pads of groups: they come with a session, of an author of ours on that instance.
//
// The API: doc/api/http_api.md of Etherpad; MyPads: the plugin's own (api.js of framasoft/ep_mypads).
func (p *Provider) List(ctx context.Context, c *source.Client, d source.Document) ([]source.Recognised, error) {
	ctx = source.Uncounted(ctx)
	kind, of, _ := strings.Cut(d.Address.Collection, " ")
	l := &lister{client: c, doc: d}
	var names []string
	var err error
	switch kind {
	case collectionAll:
		names, err = l.pads(ctx, "listAllPads", nil)
	case collectionGroup:
		if !groupName.MatchString(of) {
			return nil, source.Errorf(source.ReasonAddress, "this is no address of a group of pads")
		}
		names, err = l.pads(ctx, "listPads", url.Values{"groupID": {of}})
	case collectionMyPads:
		names, err = l.myPads(ctx, of)
	default:
		return nil, source.Errorf(source.ReasonAddress, "this is the address of one pad, not of several")
	}
	if err != nil {
		return nil, err
	}
	return l.recognised(ctx, names)
}

type lister struct {
	client *source.Client
	doc    source.Document
	bearer string // of an OAuth client
	author string // ours
	// sessions are those of our author, by group.
	sessions map[string]string
}

// recognised returns the addresses of pads, without those that no address can name.
func (l *lister) recognised(ctx context.Context, names []string) ([]source.Recognised, error) {
	slices.Sort(names)
	var list []source.Recognised
	for _, name := range slices.Compact(names) {
		if !validName(name) || SanitiseName(name) != name {
			continue // pads that a socket made: the instance itself cannot show them
		}
		r := source.Recognised{Likelihood: source.Certain, Address: source.Address{
			Kind: source.KindEtherpad, Instance: l.doc.Address.Instance, Name: name, URL: padURL(l.doc.Address.Instance, name),
		}}
		if l.doc.Secrets.APIKey != "" {
			r.Secrets.User, r.Secrets.Password = l.doc.Secrets.User, l.doc.Secrets.Password // Basic authentication
			if group, _ := splitName(name); group != "" {
				session, err := l.session(ctx, group)
				if err != nil {
					return nil, err
				}
				r.Secrets.Session = source.Secret(session)
			}
		}
		list = append(list, r)
	}
	return list, nil
}

func (l *lister) pads(ctx context.Context, function string, args url.Values) ([]string, error) {
	var data struct {
		PadIDs []string `json:"padIDs"`
	}
	if err := l.call(ctx, function, args, &data); err != nil {
		return nil, err
	}
	return data.PadIDs, nil
}

// session returns a session with which the pads of a group can be read.
func (l *lister) session(ctx context.Context, group string) (string, error) {
	if s := l.doc.Secrets.Session; s != "" {
		return s.Reveal(), nil
	}
	if l.author == "" {
		if err := l.ours(ctx); err != nil {
			return "", err
		}
	}
	if s := l.sessions[group]; s != "" {
		return s, nil
	}
	var made struct {
		SessionID string `json:"sessionID"`
	}
	err := l.call(ctx, "createSession", url.Values{
		"groupID": {group}, "authorID": {l.author}, "validUntil": {strconv.FormatInt(time.Now().Add(sessionLength).Unix(), 10)},
	}, &made)
	if err != nil {
		return "", err
	}
	if !sessionValue.MatchString(made.SessionID) {
		return "", source.Errorf(source.ReasonForeign, "the instance's answer is not one of Etherpad's API")
	}
	l.sessions[group] = made.SessionID
	return made.SessionID, nil
}

// ours finds our author on the instance, or makes it, and the sessions that it has.
func (l *lister) ours(ctx context.Context) error {
	var author struct {
		AuthorID string `json:"authorID"`
	}
	if err := l.call(ctx, "createAuthorIfNotExistsFor", url.Values{"authorMapper": {"havre"}, "name": {"havre"}}, &author); err != nil {
		return err
	}
	var sessions map[string]*struct {
		GroupID    string `json:"groupID"`
		ValidUntil int64  `json:"validUntil"`
	}
	if err := l.call(ctx, "listSessionsOfAuthor", url.Values{"authorID": {author.AuthorID}}, &sessions); err != nil {
		return err
	}
	l.author, l.sessions = author.AuthorID, map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		s := sessions[id]
		if s != nil && sessionValue.MatchString(id) && time.Until(time.Unix(s.ValidUntil, 0)) > sessionLeft {
			l.sessions[s.GroupID] = id
		}
	}
	return nil
}

// call calls a function of the API, with the key in the request's body, which no server writes into a log.
func (l *lister) call(ctx context.Context, function string, args url.Values, into any) error {
	key := l.doc.Secrets.APIKey.Reveal()
	if key == "" {
		return source.Errorf(source.ReasonPassword, "the instance lists its pads only to who has its API key")
	}
	if id, secret, ok := strings.Cut(key, ":"); ok && l.bearer == "" {
		if err := l.token(ctx, id, secret); err != nil {
			return err
		}
	}
	form := maps.Clone(args)
	if form == nil {
		form = url.Values{}
	}
	if l.bearer == "" {
		form.Set("apikey", key)
	}
	resp, body, err := l.post(ctx, "/api/1.2.1/"+function, "application/x-www-form-urlencoded", form.Encode(), func(req *http.Request) { //nolint:bodyclose // post closes it
		if l.bearer != "" {
			req.Header.Set("Authorization", "Bearer "+l.bearer)
		}
	})
	if err != nil {
		return err
	}
	var answer struct {
		Code    *int
		Message string
		Data    json.RawMessage
	}
	if json.Unmarshal(body, &answer) != nil || answer.Code == nil {
		return errorFor(resp, body, l.doc.Secrets)
	}
	switch {
	case *answer.Code == 0:
		if len(answer.Data) > 0 && json.Unmarshal(answer.Data, into) != nil {
			return source.Errorf(source.ReasonForeign, "the instance's answer is not one of Etherpad's API")
		}
		return nil
	case *answer.Code == 4 || resp.StatusCode == http.StatusUnauthorized:
		return source.Errorf(source.ReasonPassword, "the instance does not accept the API key")
	case *answer.Code == 1 && strings.Contains(answer.Message, "not exist"):
		return source.Errorf(source.ReasonGone, "there is no such group on the instance")
	case *answer.Code == 2:
		return source.Errorf(source.ReasonDown, "the instance has a fault of its own")
	}
	return source.Errorf(source.ReasonForeign, "the instance does not know this function of the API")
}

// token gets a token for an OAuth client (Etherpad from 2.0 on, where it is set up so). Clients are known either by what is
// in the form, as Etherpad's manual shows it, or by Basic authentication, which is the standard's own way.
func (l *lister) token(ctx context.Context, id, secret string) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	for _, basic := range []bool{false, true} {
		if basic {
			form = url.Values{"grant_type": {"client_credentials"}}
		}
		resp, body, err := l.post(ctx, "/oidc/token", "application/x-www-form-urlencoded", form.Encode(), func(req *http.Request) { //nolint:bodyclose // post closes it
			if basic {
				req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			}
		})
		if err != nil {
			return err
		}
		var answer struct {
			AccessToken string `json:"access_token"`
			Error       string
		}
		isJSON := json.Unmarshal(body, &answer) == nil
		switch {
		case resp.StatusCode == http.StatusOK && isJSON && answer.AccessToken != "":
			l.bearer = answer.AccessToken
			return nil
		case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
			return errorFor(resp, body, l.doc.Secrets)
		case !isJSON || answer.Error == "":
			return source.Errorf(source.ReasonForeign, "the instance gives no tokens to clients: it may have an API key instead")
		}
	}
	return source.Errorf(source.ReasonPassword, "the instance does not accept the client's ID and secret")
}

// post sends a form or JSON, and returns the answer, whose body was read and closed.
func (l *lister) post(ctx context.Context, path, kind, body string, edit func(*http.Request)) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.doc.Address.Instance+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, nil, source.Errorf(source.ReasonAddress, "this is no address of an instance")
	}
	req.Header.Set("Content-Type", kind)
	if l.doc.Secrets.APIKey != "" && l.doc.Secrets.User != "" {
		req.SetBasicAuth(l.doc.Secrets.User, l.doc.Secrets.Password.Reveal())
	}
	if edit != nil {
		edit(req)
	}
	return l.do(req)
}

func (l *lister) do(req *http.Request) (*http.Response, []byte, error) {
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := source.ReadAll(resp, maxList)
	return resp, body, err
}

// myPads returns the pads of an account of MyPads, or of one group of it. To sign in there ends an earlier sign-in of the
// same account elsewhere.
func (l *lister) myPads(ctx context.Context, group string) ([]string, error) {
	s := l.doc.Secrets
	if s.User == "" || s.Password == "" {
		return nil, source.Errorf(source.ReasonPassword, "MyPads lists the pads of an account only to who has its name and password")
	}
	login, err := json.Marshal(map[string]string{"login": s.User, "password": s.Password.Reveal()})
	if err != nil {
		return nil, err
	}
	resp, body, err := l.post(ctx, "/mypads/api/auth/login", "application/json", string(login), nil) //nolint:bodyclose // post closes it
	if err != nil {
		return nil, err
	}
	var in struct {
		Success bool
		Token   string
		Error   string
	}
	isJSON := json.Unmarshal(body, &in) == nil
	switch {
	case isJSON && in.Success && in.Token != "":
	case isJSON && in.Error != "" && resp.StatusCode < 500:
		return nil, source.Errorf(source.ReasonPassword, "MyPads does not accept the name and password")
	case resp.StatusCode == http.StatusNotFound:
		return nil, source.Errorf(source.ReasonForeign, "the instance has no MyPads")
	default:
		return nil, errorFor(resp, body, s)
	}
	address := l.doc.Address.Instance + "/mypads/api/group?" + url.Values{"auth_token": {in.Token}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, source.Errorf(source.ReasonAddress, "this is no address of an instance")
	}
	if resp, body, err = l.do(req); err != nil { //nolint:bodyclose // do closes it
		return nil, err
	}
	var list struct {
		Value *struct {
			Pads map[string]struct{ Group string }
		}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errorFor(resp, body, s)
	}
	if json.Unmarshal(body, &list) != nil || list.Value == nil {
		return nil, source.Errorf(source.ReasonForeign, "the instance's answer is not one of MyPads")
	}
	var names []string
	for id, pad := range list.Value.Pads {
		if group == "" || pad.Group == group {
			names = append(names, id)
		}
	}
	return names, nil
}
