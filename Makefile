# The commands of the README. Everything needs Go 1.26 or newer and nothing else: `make test`
# installs Debian's packages that the tests use when it runs as root and they are missing.

GO ?= go
DIR ?= demo

# Pure Go everywhere; only the race detector of the tests needs a C compiler.
export CGO_ENABLED = 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Each system and each processor is built for. Where those are known from others the types are checked, with the
# tests, and down to the standard library: that takes a fifth of the time, and no code of ours depends on the processor.
BUILT := darwin/arm64 windows/amd64
CHECKED := linux/arm64 darwin/amd64 windows/arm64

.PHONY: help build demo test beside unit stories lint format vet cross generated deps tools bench soak clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

build: ## build bin/havre
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/havre ./cmd/havre

demo: build ## a server and two clients on this machine, to try things; DIR=demo
	@bin/havre demo --dir '$(DIR)'

# The cheap checks come first, so that what is wrong is known early.
test: deps format vet ## everything that has to hold, what it needs installed first
	@$(MAKE) --no-print-directory -j2 unit beside
	@echo 'make test: all is well'

# What has no clock: it takes what the tests leave of the processors, which wait for disks, programs and browsers.
beside:
	@nice -n 19 $(MAKE) --no-print-directory generated cross lint

deps:
	@tools/deps.sh

format: ## are all files as gofmt writes them?
	@bad=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$bad" ]; then echo "not as gofmt writes it: $$bad" >&2; exit 1; fi

vet:
	$(GO) vet ./...

# SQLite is C that was translated to Go: its own locking is not ours to test, and with the race detector in it
# the tests of what uses it take a third longer.
RACE := -race -gcflags='modernc.org/sqlite/lib=-race=0 -d=checkptr=0'

# A program with the race detector sleeps for a second before it ends; the tests start and end hundreds.
unit: ## the tests, with the race detector
	GORACE=atexit_sleep_ms=0 CGO_ENABLED=1 $(GO) test $(RACE) -vet=off -timeout 25m ./...
	$(GO) test -tags havre_portable ./internal/localfs

# With the race detector each story is told in one language and one width.
stories: deps ## the stories of the browser in both languages and both widths; HAVRE_SHOTS=DIR keeps pictures
	$(GO) test -run 'Story|TestEveryPage' -timeout 25m -v ./internal/web

generated: ## does the generated code fit its input?
	tools/check-generated.sh

# Nobody runs what comes out of it: the compiler need not think how to make it quick.
UNOPTIMISED := -gcflags='all=-N -l'

# The packages with files for some systems only; the others are vetted already.
VARIED = $(shell $(GO) list -f '{{if .IgnoredGoFiles}}{{.ImportPath}}{{end}}' ./...)

cross: ## does it build for all systems, the tests too?
	GOOS=linux GOARCH=amd64 $(GO) build ./...
	@for p in $(BUILT); do \
		echo "build for $$p"; \
		export GOOS=$${p%/*} GOARCH=$${p#*/}; \
		$(GO) build $(UNOPTIMISED) ./... || exit 1; \
		echo "vet for $$p"; \
		$(GO) vet $(UNOPTIMISED) $(VARIED) || exit 1; \
	done
	@echo 'types for $(CHECKED)'
	@$(GO) -C tools run ./typecheck $(CHECKED)

lint: bin/golangci-lint ## golangci-lint, with .golangci.yml
	bin/golangci-lint run ./...

tools: bin/golangci-lint

# Its version is in tools/go.mod.
bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bench: build ## the figures of the README, on this machine
	CGO_ENABLED=0 $(GO) run ./bench

soak: ## half an hour of kills, cut cables and much work, and what must hold then; SOAK=-small for less
	CGO_ENABLED=0 $(GO) run ./bench/soak $(SOAK)

clean: ## remove what was built; the demo's directory stays
	rm -rf bin
