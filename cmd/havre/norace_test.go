//go:build !race

package main

// underRace says whether the tests are built with the race detector.
const underRace = false
