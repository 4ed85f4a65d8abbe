//go:build unix

package radav_test

import (
	"fmt"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/radav"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestContract has Apache behind the contract, with names and passwords. The hook lets authors be set, as it demands.
func TestContract(t *testing.T) {
	a := startApache(t, "AuthType Basic\nAuthName test\nAuthUserFile users\nRequire valid-user\n", "")
	a.people("users", "tester", "gehëim:x")
	var dirs []string
	svntest.TestRepository(t, func(sub *testing.T) svn.Repository {
		name := fmt.Sprintf("r%d", len(dirs))
		dir := a.create(name)
		dirs = append(dirs, dir)
		hook(sub, dir, "pre-revprop-change", `[ "$4" = svn:author ]`)
		return open(sub, a.url(name), radav.Options{User: "tester", Password: "gehëim:x"})
	})
	for _, dir := range dirs {
		judge(t, dir)
	}
}
