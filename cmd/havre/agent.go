package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/internal/localfs"
)

// directAgent does what commands ask for with the files of a home whose lock the process has.
type directAgent struct {
	home *home.Home
	log  *slog.Logger
}

var _ home.Agent = (*directAgent)(nil)

func newDirectAgent(h *home.Home, log *slog.Logger) *directAgent {
	return &directAgent{home: h, log: log}
}

// Status is home.Agent's.
func (a *directAgent) Status(context.Context) (*home.Status, error) {
	config, err := a.home.Joined()
	if err != nil {
		return nil, err
	}
	return stoppedStatus(a.home, config), nil
}

// Add is home.Agent's.
func (a *directAgent) Add(ctx context.Context, r home.AddRequest) (*home.Replica, error) {
	config, err := a.home.Joined()
	if err != nil {
		return nil, err
	}
	remote := connect(config.Identity)
	defer remote.Close()
	folder, err := findFolder(ctx, remote, r)
	if err != nil {
		return nil, err
	}
	replica := home.Replica{ID: strings.ToLower(rand.Text()), Folder: folder.ID, FolderName: folder.Name, Path: r.Path}
	if replica.Dir, err = a.checkDir(config, r.Dir); err != nil {
		return nil, err
	}
	if err := localfs.NewDisk(replica.Dir, a.home.AsideDir(replica)).Init(folder.ID); err != nil {
		return nil, err
	}
	config.Replicas = append(config.Replicas, replica)
	return &replica, a.home.Save(config)
}

// findFolder returns the folder with that name, if the path in it is a directory.
func findFolder(ctx context.Context, remote *apiclient.Client, r home.AddRequest) (*havre.Folder, error) {
	folders, err := remote.Folders(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(folders, func(f havre.Folder) bool { return strings.EqualFold(f.Name, r.Folder) })
	if i < 0 {
		what := "no folder is shared with this person yet"
		if len(folders) > 0 {
			names := make([]string, len(folders))
			for i, f := range folders {
				names[i] = shown(f.Name)
			}
			what = "there is: " + strings.Join(names, ", ")
		}
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("no folder %s for this person; %s", shown(r.Folder), what)}
	}
	f := folders[i]
	for _, err := range remote.List(ctx, havre.Scope{Folder: f.ID, Root: r.Path}, f.Head, "") {
		if havre.CodeOf(err) == havre.CodeNotFound {
			return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("there is no directory %s in the folder %s", shown(string(r.Path)), shown(f.Name))}
		}
		if err != nil {
			return nil, err
		}
		break // it can be listed: that is all we wanted to know
	}
	return &f, nil
}

// checkDir makes the directory if needed, and returns its path without symbolic links, or why it
// cannot be a replica; then nothing was made.
func (a *directAgent) checkDir(config *home.Config, dir string) (string, error) {
	dir, err := resolve(dir)
	if err != nil {
		return "", err
	}
	for _, r := range config.Replicas {
		switch {
		case r.Dir == dir:
			return "", &havre.Error{Code: havre.CodeExists, Text: fmt.Sprintf("%s: is kept the same as %s already; to change that: havre leave %s",
				shown(dir), shown(r.Name()), quoteArg(dir))}
		case within(dir, r.Dir), within(r.Dir, dir):
			return "", &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: one inside the other cannot be kept the same: %s is there already; choose another directory",
				shown(dir), shown(r.Dir))}
		}
	}
	own, err := filepath.EvalSymlinks(a.home.Dir())
	if err != nil {
		return "", err
	}
	if dir == own || within(dir, own) || within(own, dir) {
		return "", &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: the client keeps its own state in %s; choose a directory that is neither in it nor around it, or another --home",
			shown(dir), shown(own))}
	}
	if err := checkAround(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// resolve returns the path without symbolic links, as far as it is there.
func resolve(path string) (string, error) {
	actual, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
		return actual, err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", &havre.Error{Code: havre.CodeInvalid, Text: shown(path) + ": is a link that leads nowhere; choose another directory"}
	}
	parent, err := resolve(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// within says whether dir is somewhere inside parent.
func within(dir, parent string) bool {
	rel, err := filepath.Rel(parent, dir)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}

// Remove is home.Agent's.
func (a *directAgent) Remove(_ context.Context, id string) error {
	config, err := a.home.Config()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(config.Replicas, func(r home.Replica) bool { return r.ID == id })
	if i < 0 {
		return &havre.Error{Code: havre.CodeNotFound, Text: "there is no such replica any more; see: havre status"}
	}
	r := config.Replicas[i]
	config.Replicas = slices.Delete(config.Replicas, i, i+1)
	if err := a.home.Save(config); err != nil {
		return err
	}
	return errors.Join(a.home.Forget(r), removeMarker(r, a.home.AsideDir(r)))
}

// removeMarker makes a former replica a directory like any other. What is not ours is left alone,
// and so is a trash that lies beside the marker.
func removeMarker(r home.Replica, aside string) error {
	if err := localfs.NewDisk(r.Dir, aside).Check(r.Folder); err != nil {
		return nil //nolint:nilerr // the directory is gone, or another's by now
	}
	ours := filepath.Join(r.Dir, localfs.Reserved)
	if err := os.Remove(filepath.Join(ours, "marker")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range []string{filepath.Join(ours, "tmp"), filepath.Join(ours, "trash"), ours} {
		_ = os.Remove(name) // only when it is empty
	}
	return nil
}

// Leave is home.Agent's.
func (a *directAgent) Leave(ctx context.Context, force bool) error {
	config, err := a.home.Joined()
	if err != nil {
		return err
	}
	if err := a.revoke(ctx, config.Identity, force); err != nil {
		return err
	}
	return a.forget(config)
}

// revoke makes the device's token worthless.
func (a *directAgent) revoke(ctx context.Context, id *home.Identity, force bool) error {
	remote := connect(id)
	defer remote.Close()
	if err := remote.Leave(ctx); err != nil && havre.CodeOf(err) != havre.CodeUnauthenticated {
		if !force {
			return fmt.Errorf("%w; to leave all the same: havre leave --all --force", err)
		}
		a.log.Warn("the server could not be told; revoke the device there", "error", err)
	}
	return nil
}

// forget makes the home one that never joined; files and trash stay.
func (a *directAgent) forget(config *home.Config) error {
	if err := a.home.Save(&home.Config{}); err != nil {
		return err
	}
	var errs []error
	for _, r := range config.Replicas {
		errs = append(errs, a.home.Forget(r), removeMarker(r, a.home.AsideDir(r)))
	}
	return errors.Join(errs...)
}

// Deletions is home.Agent's.
func (a *directAgent) Deletions(context.Context, string, bool) error {
	return &home.NotRunningError{Dir: a.home.Dir()}
}
