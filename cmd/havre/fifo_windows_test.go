package main

import "testing"

func makeFIFO(t *testing.T, _ string) { t.Fatal("there are none") }
