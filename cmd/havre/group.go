package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

type groupCmd struct {
	Add    groupAddCmd    `cmd:"" help:"Add a group, or people and other groups to one."`
	Remove groupRemoveCmd `cmd:"" help:"Remove people and groups from a group, or the group itself."`
	List   groupListCmd   `cmd:"" help:"List the groups and who is in them."`
}

const groupHelp = `A group has rights as a person has, see "havre grant". Groups may be in groups: whoever is in the inner
one is in the outer one too. Works while the server runs.

Examples:

    havre group add --data /srv/havre Finance ada ben
    havre group add --data /srv/havre Office --group Finance
    havre group remove --data /srv/havre Finance ben
    havre group remove --data /srv/havre Finance --all
    havre grant --data /srv/havre Team --group Office read

` + exitCodes

// Help is the text below the usage.
func (groupCmd) Help() string { return groupHelp }

type groupAddCmd struct {
	dataFlag
	Name  string   `arg:"" help:"The group's name. It is made if there is none."`
	Users []string `arg:"" optional:"" name:"user" help:"Who is to be in it."`
	Group []string `placeholder:"GROUP" sep:"none" help:"A group that is to be in it."`
}

// Help is the text below the usage.
func (groupAddCmd) Help() string { return groupHelp }

// Run executes the command.
func (c *groupAddCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	m, err := a.members(ctx, c.Users, c.Group)
	if err != nil {
		return err
	}
	g, err := a.group(ctx, c.Name)
	if havre.CodeOf(err) == havre.CodeNotFound {
		g, err = a.AddGroup(ctx, c.Name)
	}
	if err != nil {
		return err
	}
	if err := a.put(ctx, g, m, true); err != nil {
		return err
	}
	return a.printGroups(ctx, con, g.ID)
}

type groupRemoveCmd struct {
	dataFlag
	Name  string   `arg:"" help:"The group's name."`
	Users []string `arg:"" optional:"" name:"user" help:"Who is not to be in it any more."`
	Group []string `placeholder:"GROUP" sep:"none" help:"A group that is not to be in it any more."`
	All   bool     `help:"The group itself, with its rights."`
}

// Help is the text below the usage.
func (groupRemoveCmd) Help() string { return groupHelp }

// Run executes the command.
func (c *groupRemoveCmd) Run(ctx context.Context, con *console) error {
	if c.All == (len(c.Users)+len(c.Group) > 0) {
		return errors.New("name who is to go, or say --all for the group itself")
	}
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	g, err := a.group(ctx, c.Name)
	if err != nil {
		return err
	}
	if c.All {
		if err := a.RemoveGroup(ctx, g.ID); err != nil {
			return err
		}
		fmt.Fprintf(con.out, "%s is no group any more.\n", shown(g.Name))
		return nil
	}
	m, err := a.members(ctx, c.Users, c.Group)
	if err != nil {
		return err
	}
	if err := a.put(ctx, g, m, false); err != nil {
		return err
	}
	return a.printGroups(ctx, con, g.ID)
}

type groupListCmd struct{ dataFlag }

// Help is the text below the usage.
func (groupListCmd) Help() string { return groupHelp }

// Run executes the command.
func (c *groupListCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.printGroups(ctx, con, "")
}

// group returns the group with that name.
func (a *admin) group(ctx context.Context, name string) (*store.Group, error) {
	groups, err := a.Groups(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(groups, func(g store.Group) bool { return strings.EqualFold(g.Name, name) })
	if i < 0 {
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("there is no group called %s; see: havre group list", shown(name))}
	}
	return &groups[i], nil
}

// memberList is who is to be put into a group or taken out.
type memberList struct {
	users  []havre.UserID
	groups []string
}

// members looks everybody up before anything is done.
func (a *admin) members(ctx context.Context, users, groups []string) (memberList, error) {
	var m memberList
	rights := make([]userRight, len(users))
	for i, name := range users {
		rights[i].user = name
	}
	found, err := a.pending(ctx, rights)
	if err != nil {
		return m, err
	}
	for i := range found {
		m.users = append(m.users, found[i].Grant.User)
	}
	for _, name := range groups {
		g, err := a.group(ctx, name)
		if err != nil {
			return m, err
		}
		m.groups = append(m.groups, g.ID)
	}
	return m, nil
}

// put puts the members into the group or takes them out.
func (a *admin) put(ctx context.Context, g *store.Group, m memberList, in bool) error {
	for _, u := range m.users {
		if err := a.SetMember(ctx, g.ID, u, in); err != nil {
			return err
		}
	}
	for _, inner := range m.groups {
		if err := a.SetGroupMember(ctx, g.ID, inner, in); err != nil {
			return err
		}
	}
	return nil
}

// printGroups lists one group, or all.
func (a *admin) printGroups(ctx context.Context, con *console, only string) error {
	groups, err := a.Groups(ctx)
	if err != nil {
		return err
	}
	names, err := a.holders(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "MEMBERS", "PEOPLE IN ALL"}}
	for i := range groups {
		g := &groups[i]
		if only != "" && g.ID != only {
			continue
		}
		var members []string
		for _, u := range g.Members {
			members = append(members, shown(names[u]))
		}
		for _, inner := range g.Groups {
			members = append(members, shown(names[havre.UserID("@"+inner)]))
		}
		all, err := a.EffectiveMembers(ctx, g.ID)
		if err != nil {
			return err
		}
		rows = append(rows, []string{shown(g.Name), strings.Join(members, " "), fmt.Sprint(len(all))})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}
