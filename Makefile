# Weft. Everything works in a fresh clone with Go and network; what make test needs
# beyond that is installed by test/scripts/prepare.sh.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Without cgo the binary is static and needs no C compiler. All but the race
# detector agree on that, so they share what is compiled.
export CGO_ENABLED := 0

# Those whose tests take longest come first, so that none of them is waited for alone.
rooms := ./edge ./jetstream/feed ./test/kafka ./jetstream ./jetstream/server ./bridge/... ./cmd/... ./config/... ./edge/... ./jetstream/...
# Their tests form clusters, many at once. Two of these side by side take so much of two
# cores that clusters lose their leaders.
clusters := ./edge ./jetstream/feed ./jetstream
single = ./test/kafka $$(go list ./... | grep -vxE 'weft/(edge|jetstream/feed|jetstream)')
# Both modules: weft, and what tests the whole of it.
everything := ./... ./test/...
binary := bin/weft
# What race has tested already is left out of the end-to-end tests.
roads = $$(go list ./test/... | grep -v '^weft/test/kafka$$')
# Those that weft is built for; a release has one binary for each.
platforms := linux/amd64 linux/arm64 linux/386 darwin/arm64 windows/amd64 freebsd/amd64

.PHONY: help build run cluster test check lint style cross unit race fuzz vulnerabilities e2e fault chaos bench bench-edge bench-routes bench-client soak client client-test release docs clean prepare

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile bin/weft, statically
	go build -o $(binary) ./cmd/weft

# Not go run, which makes a failure of Ctrl-C.
run: build ## the playground: a node, a broker and a web page (no C compiler needed)
	@go build -o bin/playground ./test/playground
	@bin/playground -weft $(binary)

cluster: build ## the playground with three nodes behind HAProxy: kill one while events flow
	@go build -o bin/playground ./test/playground
	@bin/playground -weft $(binary) -nodes 3

# The other platforms are compiled beside the tests, which wait most of the time.
test: prepare style client-test ## all checks and all tests; installs what they need
	@mkdir -p bin; nice -n 19 $(MAKE) --no-print-directory cross > bin/cross.log 2>&1 & cross=$$!; \
	trap 'kill $$cross 2> /dev/null || true' EXIT; \
	$(MAKE) --no-print-directory race e2e; \
	wait $$cross || { cat bin/cross.log >&2; exit 1; }

check: lint unit vulnerabilities ## before a commit: lint with all platforms, unit, vulnerabilities

lint: style cross ## formatting, go vet, staticcheck; vets and links weft for all platforms

style: ## formatting, go vet and staticcheck, for this platform
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then \
		echo "these files are not as gofmt writes them:" >&2; echo "$$unformatted" >&2; exit 1; \
	fi
	go vet $(everything)
	go tool staticcheck $(everything)

# Linked into files, which are left alone the next time when nothing has changed: the
# first run takes minutes, the next ones seconds.
cross: ## go vet, and weft linked, for each platform that it is built for
	@for platform in $(platforms); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		echo "cross: $$platform"; \
		go vet $(everything); \
		go build -ldflags='-s -w' -o bin/cross/weft-$$GOOS-$$GOARCH ./cmd/weft; \
	done

# go vet has run already; to link what debuggers want takes longer than most tests.
# Many tests wait, side by side.
raced := env CGO_ENABLED=1 go test -race -vet=off -ldflags=-w -timeout 8m -parallel 6

unit: ## tests beside the code that do not wait, with the race detector (needs a C compiler)
	$(raced) -p 3 -short $(rooms)

race: ## all tests beside the code, those that wait for elections too
	@mkdir -p bin; nice $(raced) -p 2 $(single) > bin/single.log 2>&1 & single=$$!; \
	trap 'kill $$single 2> /dev/null || true' EXIT; \
	$(raced) -p 1 $(clusters); \
	wait $$single || { cat bin/single.log >&2; exit 1; }

# FUZZTIME=10s for less, ONLY=Cursor for the targets that match, without the model.
fuzz: export WEFT_ACCESS ?= 10m
fuzz: ## each fuzz target for a minute (FUZZTIME), and the model of access for WEFT_ACCESS (10m)
	@test/scripts/fuzz.sh $(or $(FUZZTIME),1m) $(if $(ONLY),'$(ONLY)')
	$(if $(ONLY),,go test -vet=off -count 1 -v -timeout 0 -run TestNobodyReceives ./test/access)

vulnerabilities: ## govulncheck, when its database can be reached
	@test/scripts/vulnerabilities.sh

# Two packages at a time: both wait most of the time.
e2e: prepare build ## end-to-end tests: the built binary, a real Kafka, a real browser
	WEFT_BINARY=$(CURDIR)/$(binary) go test -vet=off -p 2 -timeout 15m $(roads)

# WEFT_FAULT_ONLY="cut in,paused node" does some of the faults only, WEFT_FAULT_STRICT=1
# holds silences to what an idle machine allows, WEFT_FAULT_BESIDE=load takes all cores
# beside it, WEFT_FAULT_REPORT=folder keeps a report with the logs of what was odd.
fault: prepare build ## faults in a cluster at random for WEFT_FAULT (10m), and a table
	WEFT_BINARY=$(CURDIR)/$(binary) WEFT_FAULT=$${WEFT_FAULT:-10m} go test -vet=off -count 1 -v -timeout 0 ./test/fault

# WEFT_CLIENTCHAOS_ONLY="tab closed,storm" does some of the faults only, and
# WEFT_CLIENTCHAOS_REPORT=file keeps the table.
chaos: prepare build ## faults to pages in a real browser, each and then at random for WEFT_CLIENTCHAOS (10m), and a table
	WEFT_BINARY=$(CURDIR)/$(binary) WEFT_CLIENTCHAOS=$${WEFT_CLIENTCHAOS:-10m} go test -vet=off -count 1 -v -timeout 0 ./test/clientchaos

bench: build ## benchmarks, those of the whole road of an event included
	WEFT_BINARY=$(CURDIR)/$(binary) go test -vet=off -run '^$$' -bench . -benchmem -timeout 30m $(rooms) ./test/bench/...

# The load command runs two plain servers in turn with Weft and prints ratios.
# QUICK=1: three minutes instead of 75; ONLY=regexp: some scenarios; SETTLE=135s:
# the quick form waits as long as the full one before it reads memory;
# SET=tuning.raw_calls=false: with a configuration key.
bench-edge: build ## what connections and deliveries cost, beside plain servers (QUICK=1: three minutes)
	@go build -o bin/load ./test/load
	@go build -o bin/baseline ./test/load/baseline
	@bin/load bench -weft $(binary) -baseline bin/baseline $(if $(QUICK),-quick,-plots test/load/plots) $(if $(ONLY),-only '$(ONLY)') $(if $(SETTLE),-settle $(SETTLE)) $(if $(SET),-set '$(SET)')

# The same load command, a plain reverse proxy in turn with Weft; QUICK=1 for less.
bench-routes: build ## what routes cost: matching, tables, puts, and requests beside a plain reverse proxy
	WEFT_BINARY=$(CURDIR)/$(binary) go test -vet=off -run '^$$' -bench 'Match|Index|Parse|Table|Route' -benchmem -timeout 30m ./edge/route/... ./jetstream/routes ./edge/proxy/... ./test/bench/...
	@go build -o bin/load ./test/load
	@go build -o bin/baseline ./test/load/baseline
	@bin/load routes -weft $(binary) -baseline bin/baseline $(if $(QUICK),-quick) $(if $(SET),-set '$(SET)')

# WEFT_CLIENT_FOR=2m for more than five seconds each, WEFT_CLIENT_ONLY='1000 12 tabs' for some.
bench-client: build ## what events cost pages and tabs that share, in a real browser, beside EventSource
	WEFT_BINARY=$(CURDIR)/$(binary) go test -vet=off -run '^$$' -bench Client -benchtime 1x -v -timeout 60m ./test/tabs | grep --line-buffered -v '^ *{'

# 5,000 visitors over all transports; N=500 for fewer, SOAK=12m for less.
soak: build ## visitors that come and go for SOAK (1h), and what grows meanwhile
	@go build -o bin/load ./test/load
	@bin/load soak -weft $(binary) -for $${SOAK:-1h} $(if $(N),-n $(N) -users $(N)) $(if $(SET),-set '$(SET)')

# What it writes is committed, so that building weft needs no Node.
client: ## build the browser client, edge/client/dist, from its sources (needs Node)
	cd edge/client && { [ node_modules/.package-lock.json -nt package-lock.json ] || ../../test/scripts/again.sh npm ci --no-audit --no-fund --silent; } && npm run --silent build

# The packages are installed anew where the lock file is newer than what is there.
client-test: ## the browser client: types, size, unit tests, and that dist is what src gives (needs Node)
	cd edge/client && { [ node_modules/.package-lock.json -nt package-lock.json ] || ../../test/scripts/again.sh npm ci --no-audit --no-fund --silent; } && npm run --silent check && npm test --silent

release: ## binaries for all platforms, their SBOMs and checksums in dist/ (VERSION=v0.1.0)
	@deploy/release.sh "$(VERSION)" $(platforms)

docs: ## write the tables of all keys, metrics and packages into docs/
	go test ./cmd/weft/settings -run TestTheDocsHoldTheReferenceOfAllKeys -update
	go test ./cmd/weft -run TestTheDocsHoldTheTable -update
	go test ./edge/route -run TestTheDocsHoldTheTable -update

clean: ## remove what was built
	rm -rf bin dist
	go clean -testcache

prepare:
	@test/scripts/prepare.sh
