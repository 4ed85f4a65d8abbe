package fsfs

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

var hookNames = []string{
	"start-commit", "pre-commit", "post-commit",
	"pre-revprop-change", "post-revprop-change",
	"pre-lock", "post-lock", "pre-unlock", "post-unlock",
}

// ActiveHooks returns the names of the hooks of the repository in dir that Subversion's programs
// would run, sorted. This package runs none: who wants them run commits through svnserve.
func ActiveHooks(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "hooks"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var active []string
	for _, e := range entries {
		name := e.Name()
		if runtime.GOOS == "windows" {
			switch ext := filepath.Ext(name); strings.ToLower(ext) {
			case ".exe", ".cmd", ".bat", ".wsf", ".vbs", ".js":
				name = strings.TrimSuffix(name, ext)
			}
		}
		if slices.Contains(hookNames, name) && !e.IsDir() && !slices.Contains(active, name) {
			active = append(active, name)
		}
	}
	slices.Sort(active)
	return active, nil
}

// HasActiveHooks says whether the repository in dir has any hook that a commit would run.
func HasActiveHooks(dir string) (bool, error) {
	active, err := ActiveHooks(dir)
	return slices.ContainsFunc(active, func(name string) bool { return strings.HasSuffix(name, "-commit") }), err
}
