package hub

import (
	"context"
	"errors"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

func invalid(format string, args ...any) error {
	return havre.Errorf(havre.CodeInvalid, format, args...)
}

// full gives err the code CodeFull if it is about space.
func full(err error) error {
	if err == nil || !isFull(err) {
		return err
	}
	return havre.Errorf(havre.CodeFull, "the server's disk is full: free some space there, then it goes on by itself").Because(err)
}

// explain turns what a repository says about a path into what a person is told.
func explain(err error, path svn.Path) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case has[*havre.Error](err):
		return err
	case has[*svn.NotFoundError](err):
		return havre.Errorf(havre.CodeNotFound, "%s is not there in that revision", show(path)).Because(err)
	case has[*svn.NoSuchRevisionError](err):
		return havre.Errorf(havre.CodeNotFound, "the folder has no such revision yet").Because(err)
	case has[*svn.NotFileError](err):
		return havre.Errorf(havre.CodeInvalid, "%s is a directory", show(path)).Because(err)
	case has[*svn.NotDirError](err):
		return havre.Errorf(havre.CodeInvalid, "%s is not a directory", show(path)).Because(err)
	}
	return full(err)
}

func has[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func show(p svn.Path) havre.Sentence {
	if p == "" {
		return havre.Say("the directory")
	}
	return havre.Say("%q", string(p))
}
