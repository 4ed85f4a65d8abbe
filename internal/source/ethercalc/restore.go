package ethercalc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
)

const socialCalc = "text/x-socialcalc"

// Restore makes the sheet of a ".socialcalc" file, or the book of an ".ethercalc", in rooms of their own. The address names
// the instance (see At), and the room, if it should have a certain name; else the instance gives it one. Nothing that exists is
// written to. If something goes wrong after the first room was made, what was made is returned with the error.
func (*Provider) Restore(ctx context.Context, c *source.Client, to source.Recognised, file io.ReaderAt, size int64) (*source.Restored, error) {
	if size > maxSave {
		return nil, source.Errorf(source.ReasonTooLarge, "the file is larger than %d MiB", maxSave>>20)
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, size))
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonOurs, Text: "the file cannot be read", Err: err}
	}
	v := newVisit(c, to.Address.Instance, to.Secrets)
	name := to.Address.Name
	if strings.HasPrefix(strings.TrimSpace(string(data[:min(len(data), 100)])), "{") {
		return v.restoreBook(ctx, strings.TrimPrefix(name, "="), data)
	}
	s, err := parseSave(string(data))
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the file is no sheet that can be brought back", Err: err}
	}
	if strings.HasPrefix(name, "=") {
		return nil, source.Errorf(source.ReasonAddress, "one sheet cannot become a book: leave out the =")
	}
	made, err := v.make(ctx, name, s)
	if made == "" {
		return nil, err
	}
	restored := &source.Restored{Address: address(v.root, made), Lost: []string{"The history of the sheet and its chat, which are not in the file."}}
	return restored, err
}

// make puts a sheet into a room that is not there yet, and reads it back. It returns the room's name, empty if none was made.
func (v *visit) make(ctx context.Context, name string, s *save) (string, error) {
	if name != "" {
		if err := v.free(ctx, name); err != nil {
			return "", err
		}
	}
	method, path, want := http.MethodPost, "/_", http.StatusCreated
	if name != "" {
		method, path = http.MethodPut, "/_/"+escape(name)
	}
	resp, data, err := v.ask(ctx, method, path, socialCalc, "", []byte(s.text)) //nolint:bodyclose // ask closes it
	if err != nil {
		return "", err
	}
	if resp.StatusCode != want && resp.StatusCode != http.StatusOK {
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed {
			return "", source.Errorf(source.ReasonForeign, "there is no EtherCalc at this address")
		}
		return "", failed(resp)
	}
	if name == "" {
		if name, err = roomOf(resp, data); err != nil {
			return "", err
		}
	}
	is, err := v.fetchSave(ctx, name, seen{})
	if err != nil {
		return name, err
	}
	if is.save.content() != s.content() {
		return name, source.Errorf(source.ReasonRefused, "the sheet was made, but what the instance keeps of it is not the same")
	}
	return name, nil
}

// free checks that there is no such room.
func (v *visit) free(ctx context.Context, name string) error {
	if !validRoom(name) {
		return source.Errorf(source.ReasonAddress, "no sheet can be called %q", name)
	}
	_, err := v.fetchSave(ctx, name, seen{})
	switch reasonOf(err) {
	case source.ReasonGone:
		return nil
	case "", source.ReasonDamaged:
		if err != nil && ctx.Err() != nil {
			return err
		}
		return source.Errorf(source.ReasonExists, "there is a sheet at this address already")
	}
	return err
}

// roomOf reads the name of a new room: of the header Location, "/_/ROOM", or the body, "/ROOM".
func roomOf(resp *http.Response, data []byte) (string, error) {
	text := strings.TrimSpace(string(data))
	if location := resp.Header.Get("Location"); location != "" {
		text = location
	}
	name := text[strings.LastIndexByte(text, '/')+1:]
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	if !validRoom(name) {
		return "", source.Errorf(source.ReasonRefused, "the instance did not say where the new sheet is")
	}
	return name, nil
}

// readContainer reads the file of a book and checks it.
func readContainer(data []byte) (*container, []*save, error) {
	c := &container{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, nil, err
	}
	if c.Format != Format {
		return nil, nil, fmt.Errorf("its format is %.40q, not %q", c.Format, Format)
	}
	if len(c.Sheets) == 0 || len(c.Sheets) > maxSheets {
		return nil, nil, fmt.Errorf("it has %d sheets", len(c.Sheets))
	}
	var saves []*save
	for i, sheet := range c.Sheets {
		s, err := parseSave(sheet.Save)
		if err != nil {
			return nil, nil, fmt.Errorf("sheet %d: %w", i+1, err)
		}
		saves = append(saves, s)
	}
	return c, saves, nil
}

// restoreBook makes a room for each sheet and the list of them. Formulas that name the sheets of the old book are
// changed to the new names.
func (v *visit) restoreBook(ctx context.Context, name string, data []byte) (*source.Restored, error) {
	c, saves, err := readContainer(data)
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the file is no book that can be brought back", Err: err}
	}
	if name == "" {
		name = c.Room
	}
	if !validRoom(name) || strings.HasPrefix(name, "=") {
		return nil, source.Errorf(source.ReasonAddress, "the new book needs a name")
	}
	// All of them, before the first is made.
	rooms := []string{name}
	list := [][]string{{"#url", "#title"}}
	var renamed []string
	for i, sheet := range c.Sheets {
		room := fmt.Sprintf("%s.%d", name, i+1)
		rooms = append(rooms, room)
		list = append(list, []string{"/" + room, sheet.Title})
		if sheet.Room != room && sheet.Room != "" {
			renamed = append(renamed, "'"+sheet.Room+"'!", "'"+room+"'!", sheet.Room+"!", "'"+room+"'!")
		}
	}
	for _, room := range rooms {
		if err := v.free(ctx, room); err != nil {
			return nil, err
		}
	}
	restored := &source.Restored{Address: address(v.root, "="+name), Lost: []string{"The history of the sheets and their chat, which are not in the file."}}
	names := strings.NewReplacer(renamed...)
	for i, s := range saves {
		if len(renamed) > 0 {
			if s, err = parseSave(s.renamed(names)); err != nil {
				return restored, &source.Error{Reason: source.ReasonDamaged, Text: "a sheet cannot be renamed", Err: err}
			}
		}
		if _, err := v.make(ctx, rooms[i+1], s); err != nil {
			return madeSoFar(restored, i, err)
		}
	}
	s, err := parseSave(textSheet(list))
	if err != nil {
		return restored, errors.Join(source.Errorf(source.ReasonOurs, "the list of the sheets could not be written"), err)
	}
	_, err = v.make(ctx, name, s)
	return restored, err
}

// madeSoFar returns nothing when nothing was made.
func madeSoFar(restored *source.Restored, made int, err error) (*source.Restored, error) {
	if made == 0 {
		return nil, err
	}
	return restored, err
}

// renamed is the save with other names of sheets in its formulas.
func (s *save) renamed(names *strings.Replacer) string {
	var out strings.Builder
	for line := range strings.SplitAfterSeq(s.text, "\n") {
		if strings.HasPrefix(line, "cell:") && strings.Contains(line, ":vtf:") {
			line = names.Replace(line)
		}
		out.WriteString(line)
	}
	return out.String()
}
