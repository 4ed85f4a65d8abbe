//go:build !race

package web

// underRace says whether the tests are built with the race detector.
const underRace = false
