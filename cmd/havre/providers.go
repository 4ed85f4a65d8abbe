package main

import (
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/ethercalc"
	"github.com/havre-cloud/havre/internal/source/etherpad"
	"github.com/havre-cloud/havre/internal/source/framadate"
)

// providers returns the kinds of online documents that havre knows. Where an address fits several, the first is asked first.
func providers() []source.Provider {
	return []source.Provider{etherpad.New(), framadate.New(), ethercalc.New()}
}
