package simtest_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/havre-cloud/havre/internal/syncer/simtest"
)

// A soak: go test ./internal/syncer/simtest -run TestSchedules -sim.count 5000 -timeout 0
// One schedule again: go test ./internal/syncer/simtest -run TestSchedules -sim.seed 42 -sim.count 1
var (
	seed  = flag.Uint64("sim.seed", 1, "the first seed")
	count = flag.Uint64("sim.count", 30, "how many schedules")
	steps = flag.Int("sim.steps", 60, "how many steps each has")
)

func TestCalm(t *testing.T) {
	for s := *seed; s < *seed+*count/3; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			simtest.Run(t, simtest.Options{Seed: s, Devices: 2, Steps: *steps, Calm: true})
		})
	}
}

func TestSchedules(t *testing.T) {
	for s := *seed; s < *seed+*count; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			simtest.Run(t, simtest.Options{Seed: s, Devices: 2 + int(s%2), Steps: *steps})
		})
	}
}
