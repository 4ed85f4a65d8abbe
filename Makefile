# The commands of the README. Everything needs Go 1.26 or newer and nothing else: `make test`
# installs Debian's packages that the tests use when it runs as root and they are missing.

GO ?= go
DIR ?= demo

# Pure Go everywhere; only the race detector of the tests needs a C compiler.
export CGO_ENABLED = 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
PLATFORMS := linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: help build demo test unit stories lint format vet cross generated deps tools bench soak clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

build: ## build bin/havre
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/havre ./cmd/havre

demo: build ## a server and two clients on this machine, to try things; DIR=demo
	@bin/havre demo --dir '$(DIR)'

# The cheap checks come first, so that what is wrong is known early. When they have run, the
# compiled packages are shared by those that follow.
test: deps format vet unit generated cross lint ## everything that has to hold, what it needs installed first
	@echo 'make test: all is well'

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
	GORACE=atexit_sleep_ms=0 CGO_ENABLED=1 $(GO) test $(RACE) -timeout 25m ./...
	$(GO) test -tags havre_portable ./internal/localfs

# With the race detector each story is told in one language and one width.
stories: deps ## the stories of the browser in both languages and both widths; HAVRE_SHOTS=DIR keeps pictures
	$(GO) test -run 'Story|TestEveryPage' -timeout 25m -v ./internal/web

generated: ## does the generated code fit its input?
	tools/check-generated.sh

# Nobody runs what comes out of it: the compiler need not think how to make it quick.
UNOPTIMISED := -gcflags='all=-N -l'

cross: ## does it build for all systems, the tests too?
	GOOS=linux GOARCH=amd64 $(GO) build ./...
	@for p in $(PLATFORMS); do \
		echo "build for $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build $(UNOPTIMISED) ./... || exit 1; \
	done
	@for s in windows darwin; do \
		echo "vet for $$s"; \
		GOOS=$$s $(GO) vet $(UNOPTIMISED) ./... || exit 1; \
	done

lint: bin/golangci-lint ## golangci-lint, with .golangci.yml
	bin/golangci-lint run ./...

tools: bin/golangci-lint

# Its version is in tools/go.mod. The compiler's optimisations would cost more than they bring.
bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bench: build ## the figures of the README, on this machine
	CGO_ENABLED=0 $(GO) run ./bench

soak: ## half an hour of kills, cut cables and much work, and what must hold then; SOAK=-small for less
	CGO_ENABLED=0 $(GO) run ./bench/soak $(SOAK)

clean: ## remove what was built; the demo's directory stays
	rm -rf bin
