package hub

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// ShownFolder is a folder as the pages list it, also when its repository cannot be opened.
type ShownFolder struct {
	ID    havre.FolderID
	Name  string
	Right havre.Right // at its root
	// Problem is why nothing in it can be read or changed at the moment; nil while all is well.
	Problem error
	Since   time.Time // of the problem; zero if nobody knows
	Head    svn.Revnum
	State   FolderState
}

// FoldersShown returns the folders in which the caller may read something, by name, those that are archived
// excepted. Unlike Folders, which is for devices, it leaves none out because its repository does not answer.
func (h *Hub) FoldersShown(ctx context.Context, c *havre.Caller) ([]ShownFolder, error) {
	all, err := h.States(ctx)
	if err != nil {
		return nil, err
	}
	var mine []ShownFolder
	for i := range all {
		f := &all[i]
		reach, err := h.access.reachOf(ctx, c.User, f.Folder.ID)
		if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
			continue // deleted since the states were read
		}
		if err != nil {
			return nil, err
		}
		if !reach.sees("", true) || !f.Folder.Archived.IsZero() {
			continue
		}
		mine = append(mine, ShownFolder{
			ID: f.Folder.ID, Name: f.Folder.Name, Right: reach.right(""), Problem: f.Problem, Since: f.Since, Head: f.Head, State: *f.forReaders(c),
		})
	}
	return mine, nil
}

// forReaders is what everybody who reads the folder may know.
func (f *FolderStatus) forReaders(c *havre.Caller) *FolderState {
	s := &FolderState{Devices: len(f.Replicas), UpToDate: f.UpToDate(), Worst: f.Worst(), Changed: f.Changed, Author: f.Author}
	for i := range f.Replicas {
		if f.Replicas[i].Device.User == c.User {
			s.Mine = append(s.Mine, f.Replicas[i])
		}
	}
	return s
}
