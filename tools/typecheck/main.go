// Command typecheck says whether the program and its tests compile for other systems, as far as types tell: all of it
// is checked from its sources, down to the standard library. That is the first half of what the compiler does, in a
// fifth of the time.
//
//	go -C tools run ./typecheck GOOS/GOARCH...
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	root := flag.String("root", "..", "the repository's top directory")
	flag.Parse()
	for _, platform := range flag.Args() {
		if err := check(*root, platform); err != nil {
			fmt.Fprintf(os.Stderr, "typecheck: %s: %v\n", platform, err)
			os.Exit(1)
		}
	}
}

// check returns an error when anything does not compile on the platform. What it is was printed.
func check(root, platform string) error {
	system, processor, ok := strings.Cut(platform, "/")
	if !ok {
		return errors.New("that is no GOOS/GOARCH")
	}
	all, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedTypesSizes,
		Dir:   root,
		Env:   append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor),
		Tests: true,
	}, "./...")
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("there are no packages")
	}
	if n := packages.PrintErrors(all); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	return nil
}
