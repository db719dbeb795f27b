# Belfry. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go
BIN := bin/belfry
LDFLAGS := -s -w
GOLANGCI := $(shell command -v golangci-lint 2>/dev/null || echo $(shell $(GO) env GOPATH)/bin/golangci-lint)
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.5.0
NFPM_VERSION := v2.45.2
CYCLONEDX_VERSION := v1.10.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "}; {printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/belfry
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./app/belfry

.PHONY: run
run: build ## build and serve on http://127.0.0.1:8080 with data in ./data
	./$(BIN) serve

.PHONY: demo
demo: build ## serve with a small community that is kept alive, data in ./data/demo
	./$(BIN) serve --demo --data data/demo

.PHONY: test
test: ## run every test
	$(GO) test -timeout 20m ./...

.PHONY: web
web: ## write what is generated in app/web: types of the API, page, elements (needs Node.js; the built files are committed)
	$(GO) test -count=1 -run '^TestWebIsBuilt$$' ./app/e2e -update

.PHONY: race
# Not under the race detector: what waits for a browser, for node or for builds; what kills the program without end, so
# that nobody is left to report; what makes one request after another, or counts its cost; the load tool, the demo
# community, and two packages without a goroutine.
WAITING := TestBrowser.*|TestStockClients|TestGeneratedClient|TestQuickstart|TestClient.*|TestWebIsBuilt|TestReadmePage|TestDocsPage.*|TestPage.*|TestDocsCommands|TestIssued|TestProxies|TestRelease|TestDemoOnATerminal
KILLING := TestBackup|TestBitrot|TestCrash|TestMigrateCrash|TestRestoreCutOff|TestFsyncErrorEndsProgram
COUNTING := TestHiddenCosts.*|TestGoneCostsNothing|TestManyUploads|TestNeighbours|TestSameBytes|TestStreamsOverTLS|TestAuthMatrix
ALONE := app/bench|app/demo|modules/media/picture|modules/event
race: ## run the tests under the race detector, which ends a program at what it finds
	GORACE=halt_on_error=1 $(GO) test -race -short -timeout 15m -skip '^($(WAITING)|$(KILLING)|$(COUNTING))$$' \
	  $$($(GO) list ./... | grep -vE '/($(ALONE))(/|$$)')

.PHONY: format
format: ## check formatting (make lint counts columns)
	@out=$$(gofmt -l app modules plugins storage); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

.PHONY: sloc
sloc: ## lines of product code (no tests, kits, load tool), by package on top; no file may have more than 400
	@find app modules plugins storage -name '*.go' ! -name '*_test.go' ! -path 'app/bench/*' ! -path 'app/e2e/*' \
	  ! -path '*/storagetest/*' ! -path '*/channeltest/*' ! -path '*/moduletest/*' ! -path '*/answertest/*' -exec awk '{file[FILENAME]++} \
	  END {for (f in file) {n = split(f, part, "/"); top = part[1] (n > 2 ? "/" part[2] : ""); sum[top] += file[f]; all += file[f]; \
	    if (file[f] > 400) {bad = 1; print f ": " file[f] " lines, at most 400"}} \
	    for (p in sum) printf "%7d %s\n", sum[p], p | "sort -rn"; close("sort -rn"); printf "%7d in all\n", all; exit bad}' {} +

.PHONY: size
size: build ## the program has at most 32 MB: one use of text/template keeps every method of every type, which is 5 MB
	@bytes=$$(wc -c < $(BIN)); echo "$$bytes bytes"; [ "$$bytes" -le 32000000 ]

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, if it is there (make tools installs it)
	@if [ -x "$(GOLANGCI)" ]; then "$(GOLANGCI)" run ./...; elif [ -n "$$CI" ]; then echo "golangci-lint is missing"; exit 1; else echo "SKIP lint: golangci-lint is not installed (make tools)"; fi

.PHONY: tools
tools: ## install the developer's tools
	$(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	$(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	$(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	$(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

.PHONY: release
release: ## archives, packages and inventories of every platform as a release has them, into run/dist (needs goreleaser 2.15.1)
	goreleaser release --snapshot --clean --skip=publish,docker

.PHONY: vuln
vuln: ## known vulnerabilities of the program and what it is built from, if the database can be reached (GOVULNDB=)
	@.ci/vuln

.PHONY: asvs
asvs: ## how much of OWASP ASVS 5.0 has a test that shows it: docs/asvs.md
	@out=$$(cd app/e2e && REPORT=1 $(GO) test -v -count=1 -run '^TestASVSMap$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: cover
cover: ## test coverage by package
	$(GO) test -cover ./...

.PHONY: fuzz
T ?= 30s
fuzz: ## fuzz every parser for T each (T=10m)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(T) $$pkg || exit 1; done; done

.PHONY: crash
CYCLES ?= 2000
crash: ## kill -9 the program CYCLES times under load and check everything answered and shown
	@out=$$(cd app/e2e && CYCLES=$(CYCLES) REPORT=1 $(GO) test -v -count=1 -timeout 48h -run '^TestCrash$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: backup-verify
backup-verify: BACKUPS ?= 20
backup-verify: ACTS ?= 400
backup-verify: ## BACKUPS online backups while 16 people write, each restored and compared, ids and all
	@out=$$(cd app/e2e && BACKUPS=$(BACKUPS) ACTS=$(ACTS) REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestBackup$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: bitrot
bitrot: N ?= 1000
bitrot: ## damage the event log N times between runs and check that nothing wrong is served
	@out=$$(cd app/e2e && FLIPS=$(N) REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestBitrot$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: fsyncfail
fsyncfail: N ?= 50
fsyncfail: ## fail a sync of either store N times under load and check that every answered write was kept
	@out=$$(cd app/e2e && FAILURES=$(N) REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestFsyncErrorEndsProgram$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: diskfull
diskfull: SIZE ?= 64m
diskfull: ## fill a disk of SIZE under a running program, and give it space again (root: it mounts the disk)
	@out=$$(cd app/e2e && SIZE=$(SIZE) REPORT=1 $(GO) test -v -count=1 -timeout 30m -run '^TestDiskFullForReal$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: rebuild
rebuild: EVENTS ?= 1000000
rebuild: ## delete the event log of EVENTS events, twice, and check ids, bytes and clients
	@out=$$(cd app/e2e && EVENTS=$(EVENTS) REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestRebuild$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: erase
erase: ## end an account and wait, an hour at most, until nothing of it is in any file of an idle site
	@out=$$(cd app/e2e && ERASE=1h REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestEraseByItself$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: mutants
mutants: ## break the log, the relay and the stream engine on purpose, one line at a time, and want the kits to see it
	cd app/e2e && MUTANTS=1 REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestMutants$$' .

.PHONY: webhook-chaos
webhook-chaos: N ?= 100000
webhook-chaos: ## N deliveries with 30 % failures, kills, a dead endpoint and a person whose endpoints never answer
	@out=$$(cd app/e2e && DELIVERIES=$(N) REPORT=1 $(GO) test -v -count=1 -timeout 24h -run '^TestWebhookChaos$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: flood
READERS ?= 1000
ACTS ?= 1800
flood: ## READERS clients, half of them leaving and coming back, while people write; every history is checked
	cd app/e2e && READERS=$(READERS) ACTS=$(ACTS) $(GO) test -v -count=1 -timeout 2h -run '^TestFlood$$' .

.PHONY: halfopen
halfopen: N ?= 1000
halfopen: ## N peers vanish without a word and are freed in time (root: it makes network namespaces)
	cd app/e2e && N=$(N) $(GO) test -v -count=1 -timeout 10m -run '^TestHalfOpen$$' .

.PHONY: slowreader
slowreader: N ?= 500
slowreader: SECONDS ?= 240
slowreader: RATE ?= 20
slowreader: ## N people who read nothing and some who read 2 KiB/s beside ten times N who read, for SECONDS
	@out=$$(cd app/e2e && STUCK=$(N) SECONDS=$(SECONDS) RATE=$(RATE) REPORT=1 $(GO) test -v -count=1 -timeout 1h -run '^TestSlowReader$$' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: neighbours
neighbours: TURNS ?= 3
neighbours: OPS ?= 300
neighbours: ABUSE ?= .
neighbours: ## each abuse at default limits beside people who mind their own business, TURNS times with and without it
	@out=$$(cd app/e2e && NEIGHBOURS=1 TURNS=$(TURNS) OPS=$(OPS) REPORT=1 $(GO) test -v -count=1 -timeout 2h -run '^TestNeighbours$$/$(ABUSE)' . 2>&1) \
	  && grep '^{' <<<"$$out" || { echo "$$out"; exit 1; }

.PHONY: test-web
test-web: ## the web client in Chromium: journeys, accessibility, stock clients
	$(GO) test -count=1 -timeout 10m -parallel 3 -run 'TestBrowser|TestPage|TestStockClients|TestWebIsBuilt|TestClient|TestDocsPage|TestQuickstart' ./app/e2e

.PHONY: check
check: format vet size lint vuln race test ## everything: format, vet, lint, known vulnerabilities, race, tests

.PHONY: bench
BENCHTIME ?= 1s
bench: ## figures of stores, log, modules, engine and the whole program, fixed seeds; the program under load: make bench-all
	@echo "== stores, log and hot pieces"; $(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) ./storage/... ./modules/... ./plugins/... | grep -E '^(Benchmark|goos|goarch|cpu|pkg)'
	@echo "== the whole program, a process of its own"; FIGURES=1 $(GO) test -v -count=1 -timeout 20m -run '^TestFigures$$' ./app/e2e | grep -vE '^(PASS|ok|===|---)'

.PHONY: bench-all
BENCHDIR ?= .
bench-all: build ## belfry bench in the sizes of the bars, some minutes; BENCHDIR= is the disk that is measured
	@set -e; run() { ./$(BIN) bench "$$@" --dir $(BENCHDIR); }; \
	run floor; run idle; run idle --follows 200 --times 0; run fanout; run fanout --followers 1000 --posts 400; \
	run fanout --rate 1 --posts 20; run notify --users 1000; run notify; run replay; run replay --own; run replay --missed 5000; \
	run reconnect; run reconnect --restart --news 20; run stuck; run post; run read; run followers; run live
