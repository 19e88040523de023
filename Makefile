# wasmp2pchat: `make run` serves on http://localhost:8080, `make test` runs all that CI runs.
# A machine needs Go, make, git and a C compiler; what else a target needs it installs.

GO        ?= go
BIN       := bin/wasmp2pchat
CLIENT    := wasm/dist/index.html
TOOLS     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wasmp2pchat/tools
LINT      := $(TOOLS)/golangci-lint-v2.15.0
SDKVERSION := 2025.1.1
SDKSHA512  := 31e1a94366f7e058f10890a876f3a82af8b139a4e5d4653097adb1d5a1894bc9722374c8cfdb4125ce6bee1e0325edcec84e45d516cad446e89c2a49fe73827b
AXEVERSION := 4.14.1
AXESHA512  := 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
GRAFANAVERSION := 11.6.0
GRAFANASHA512  := fa42e55d57fd4fb4eae865f5f498c24c6369c84d9ad7722c778247638c08e9f9359858ab6ebdb20c2d3d0dd1898c2bdca0361590fc0abe7b6e0d120f85e20184
TSCVERSION := 5.8.3
TSCSHA512  := a757625ba4ea2fd2f4ee7371bd130cee130cc387395cea3fd626cbe1a0081a6480b7db254c4d57830e4a5aea1fdae4cebc283d058ed9462f86685fbbb1f80f79
FUZZTIME  ?= 30s
BENCHTIME ?= 1s
VULN      := $(TOOLS)/govulncheck-v1.9.0
TAGS      := netns,browser,interop,load,proxies,deployments,monitoring,systemd,redis,soak
SDK       := $(TOOLS)/ayame-web-sdk-$(SDKVERSION).mjs
AXE       := $(TOOLS)/axe-core-$(AXEVERSION).js
GRAFANA   := $(TOOLS)/grafana-$(GRAFANAVERSION)-$(TSCVERSION)/node_modules
JS        := GOOS=js GOARCH=wasm
JSPKGS    := ./wire ./internal/rand ./peer ./wasm/app

.DEFAULT_GOAL := build
.PHONY: build run client check fmt lint vet unit js uncut reproducible load interop netns proxies deployments monitoring browser redis fleet soak test model fuzz fuzz-corpus bench bench-client bench-connect bench-recovery lab fleet-siege bench-relay bench-micro image image-test release vuln systemd clean help

build: client ## the browser client, then ./bin/wasmp2pchat (static, client embedded)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w" -o $(BIN) ./cmd/wasmp2pchat

run: build ## build and serve on http://localhost:8080 with the embedded defaults
	./$(BIN)

client: $(CLIENT) ## the browser client, precompressed, into wasm/dist

$(CLIENT): go.mod go.sum $(shell find wasm/app wasm/build wasm/page wasm/standin peer wire internal/rand -type f -not -path '*/testdata/*' -not -name '*_test.go')
	$(GO) run ./wasm/build

# ---- what CI runs ----

# Three minutes of the soak, by the seed that has found most.
test: SOAK = 3m
test: SEED = 4008598566
test: check vuln js uncut reproducible load interop netns proxies deployments systemd monitoring browser redis fleet soak ## everything CI runs; installs what is missing

check: fmt lint vet unit ## formatting, linters, vet (native and js), unit tests with -race

fmt: $(LINT) ## is everything formatted?
	$(LINT) fmt --diff

lint: $(LINT) ## linters, natively and for the browser
	$(LINT) run --build-tags $(TAGS)
	$(JS) $(LINT) run $(JSPKGS)

vet: ## go vet, natively, with all tags, and for the browser
	$(GO) vet -tags $(TAGS) ./...
	$(JS) $(GO) vet $(JSPKGS)

unit: client system/node system/clang system/redis ## unit tests with the race detector: no root, no browser, no network
	$(GO) test -race ./...

js: system/node ## the browser's JSON and sockets, in Node.js
	PATH="$(shell $(GO) env GOROOT)/lib/wasm:$$PATH" $(JS) $(GO) test ./wire ./internal/rand ./peer

uncut: ## the browser client with all of pion/webrtc: the way out when the cut does not fit
	$(GO) run ./wasm/build -uncut -o build/uncut

# Another folder and another user, who has compiled nothing yet.
reproducible: client ## is the client the same when somebody else builds it?
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$$dir"; \
	modules=$$($(GO) env GOMODCACHE); cd "$$dir"; \
	HOME="$$dir" USER=nobody GOMODCACHE="$$modules" GOCACHE="$$dir/.cache" $(GO) run ./wasm/build -o "$$dir/dist" >/dev/null; \
	diff -r --exclude=.gitignore "$(CURDIR)/wasm/dist" "$$dir/dist" && echo "the same client, byte for byte"

load: ## floods that must disturb nobody (loopback, seconds)
	$(GO) test -count=1 -tags load -run Flood -v ./turnsvc

interop: client system/coturn ## coturn's own tools against our relay, and coturn's opinion of what is asked of ours
	$(GO) test -count=1 -tags interop -timeout 5m -run '^TestCoturn' -v ./turnsvc/conformance
	$(GO) test -count=1 -tags interop -timeout 10m -v ./e2e

netns: client system/lab ## real NATs and the program in the kernel, in network namespaces (root)
	$(GO) test -count=1 -race -tags netns ./internal/natlab ./internal/edge/address ./turnsvc/dataplane/ebpf ./e2e/relaybench
	$(GO) test -count=1 -tags netns -timeout 3m -run '^TestLab' -v ./cmd/wasmp2pchat

proxies: client system/lab system/proxies ## Debian's nginx, HAProxy and Caddy in front, with the files of configs (root)
	$(GO) test -count=1 -tags proxies -timeout 10m -v ./e2e

deployments: client system/lab system/proxies system/redis ## deployments that are broken in every way: doctor says why, and what mends it (root)
	$(GO) test -count=1 -tags deployments -timeout 10m -parallel 8 -v ./e2e

monitoring: client system/node system/prometheus $(GRAFANA)/@grafana/schema $(GRAFANA)/typescript ## Debian's Prometheus with the files of configs: each alert, and each query of the dashboard; and Grafana's types for it
	$(GO) test -count=1 -tags monitoring -run 'TestAlerts|TestPrometheusAnswers|TestDashboardIsGrafanas' -v ./cmd/wasmp2pchat -grafana $(GRAFANA)

systemd: client system/systemd ## the unit in configs, under a systemd of its own (root)
	$(GO) test -count=1 -tags systemd -timeout 5m -v ./e2e -run Systemd

# The database is not ours: where it cannot be reached nothing was found out, which
# is said, and is no fault of the code.
vuln: $(VULN) ## known vulnerabilities in what is linked; says so plainly when the database cannot be reached
	@if report=$$($(VULN) ./... 2>&1); then echo "$$report"; \
	elif echo "$$report" | grep -q '^govulncheck: fetching vulnerabilities: '; then echo "$$report"; echo "vuln: NOT CHECKED: the database cannot be reached"; \
	else echo "$$report"; exit 1; fi

browser: client system/lab system/chromium system/firefox $(SDK) $(AXE) ## two browsers behind two NATs (root), accessibility (axe-core), and others' client: the Ayame SDK
	$(GO) test -count=1 -tags browser -timeout 15m -parallel 3 -v ./e2e -sdk $(SDK) -axe $(AXE)

fleet: client system/lab system/proxies system/redis system/chromium system/firefox $(SDK) ## several nodes, a Redis and a load balancer (root): a crowd, chats across nodes, and what may befall a fleet, once each
	$(GO) test -count=1 -tags browser,redis -timeout 10m -parallel 16 -run '^TestFleet' -v ./e2e -sdk $(SDK)

redis: client system/redis ## the connection to Redis and what nodes tell one another, and rooms across nodes, through failovers, cuts and restarts (a minute)
	$(GO) test -count=1 -race -tags redis -timeout 5m -v -parallel 8 ./internal/redisdb ./internal/fleet ./signal/redisrooms ./turnsvc/relays
	$(GO) test -count=1 -tags redis -timeout 5m -v ./match/redispool
	$(GO) test -count=1 -race -tags redis -timeout 5m -run '^TestARolling' -v ./cmd/wasmp2pchat

SOAK ?= 20m
SEED ?= 0
soak: client system/lab ## one server, people who talk, and everything that may befall it, for SOAK (20m): the promises, and flat resources; SEED replays (root)
	$(GO) test -count=1 -tags soak -timeout 0 -run '^(TestSoak|TestOracle)' -v ./e2e -soak $(SOAK) -seed $(SEED)

# ---- by hand ----

model: ## the protocol of several nodes, in every order: what is found in it, and in it without its parts
	@said=$$(mktemp); $(GO) test -count=1 -tags redis -timeout 5m -parallel 1 -run '^Test(Planted|Search|SearchWhole)$$' -v ./match/redispool >$$said; holds=$$?; \
	sed -n 's/^ok.*/the protocol holds/p; s/^FAIL.*/THE PROTOCOL DOES NOT HOLD/p; /^=== \|^ *---\|^PASS/d; s/^ *[a-z]*_test.go:[0-9]*: //p; s/^          /  /p' $$said; \
	rm $$said; exit $$holds

fuzz: ## every fuzz target, FUZZTIME each (30s), and a table; goes on where it was stopped
	$(GO) run ./internal/fuzz -time $(FUZZTIME)

fuzz-corpus: ## afterwards: what covers more than what is there goes into testdata/fuzz
	$(GO) run ./internal/fuzz -corpus

bench: build system/redis ## what pairing and signaling cost, beside a server like the first one, and with Redis (Linux, two cores, minutes)
	$(GO) build -o bin/bench ./e2e/bench
	./bin/bench -bin ./$(BIN)

bench-client: client system/chromium ## what a first visit costs, beside a client like the first one
	$(GO) test -count=1 -tags browser -timeout 30m -v -run '^TestColdStart$$' ./e2e -coldstarts 9 | grep -v '^ *---\|^=== '

bench-connect: client system/lab system/chromium ## how soon two browsers talk after MATCH, beside a page that prepares nothing (root, minutes)
	$(GO) test -count=1 -tags browser -run TestHowSoonTheyTalk -v ./e2e -connects 10

lab: build system/lab ## wasmp2pchat lab: every pair of networks, and the table of docs/lab.md (root, minutes)
	./$(BIN) lab --markdown docs/lab.md

bench-recovery: client system/lab system/chromium system/firefox ## how soon a chat is back after a change of network or a restart (root, minutes)
	$(GO) test -count=1 -tags browser -run TestTheChatGoesOn -v ./e2e -recovery

KILLS ?= 10
fleet-siege: client system/lab system/proxies system/redis ## each fault of make fleet, KILLS times (10), with the times of recovery (root, half an hour)
	$(GO) test -count=1 -tags browser,redis -timeout 60m -parallel 16 -run '^TestFleetSurvives' -v ./e2e -kills $(KILLS)

bench-relay: build system/lab system/coturn ## what a relayed packet costs, beside coturn and plain routing (root, two cores, up to ten minutes)
	$(GO) build -o bin/relaybench ./e2e/relaybench
	./bin/relaybench -bin ./$(BIN)

bench-micro: ## the benchmarks of the packages, ready for benchstat
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./...

image: ## the container image (needs docker)
	docker build -t wasmp2pchat .

image-test: system/buildah ## the Dockerfile built with buildah for amd64 and arm64, and started as nobody (root; minutes the first time)
	.ci/image $(TOOLS)/images

release: client ## what is published, into dist: static programs for Linux on amd64 and arm64, checksums, bills of materials
	$(GO) run ./internal/release -o dist

clean: ## remove what was built
	rm -rf bin build dist
	find wasm/dist -type f -not -name .gitignore -delete

help: ## this list
	@grep -hE '^[a-z/-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# ---- tools, installed when they are missing ----

$(LINT):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

$(VULN):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@v1.9.0
	mv $(TOOLS)/govulncheck $@

# What npm has is fetched with npm, as those who use it do, and used unchanged.
# Where npm is missing its tests skip (or fail, with CI=true). npm takes the
# package, its name in a tarball, its version, its checksum, and the file in it.
define npm
	@command -v npm >/dev/null || exit 0; set -e; mkdir -p $(TOOLS); \
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	npm pack --silent --no-update-notifier --cache "$$dir/cache" --pack-destination "$$dir" $(1)@$(3) >/dev/null; \
	echo "$(4)  $$dir/$(2)-$(3).tgz" | sha512sum --check --quiet; \
	tar -xzOf "$$dir/$(2)-$(3).tgz" package/$(5) > "$$dir/file"; \
	mv "$$dir/file" $@
endef

$(SDK): | system/npm
	$(call npm,@open-ayame/ayame-web-sdk,open-ayame-ayame-web-sdk,$(SDKVERSION),$(SDKSHA512),dist/ayame.mjs)

$(AXE): | system/npm
	$(call npm,axe-core,axe-core,$(AXEVERSION),$(AXESHA512),axe.min.js)

# npmtree takes a package, its name in a tarball, its version and its checksum,
# for a folder with all of it.
define npmtree
	@command -v npm >/dev/null || exit 0; set -e; mkdir -p $@.new; \
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	npm pack --silent --no-update-notifier --cache "$$dir/cache" --pack-destination "$$dir" $(1)@$(3) >/dev/null; \
	echo "$(4)  $$dir/$(2)-$(3).tgz" | sha512sum --check --quiet; \
	tar -xzf "$$dir/$(2)-$(3).tgz" --strip-components=1 -C $@.new; \
	rm -rf $@; mv $@.new $@
endef

$(GRAFANA)/@grafana/schema: | system/npm
	$(call npmtree,@grafana/schema,grafana-schema,$(GRAFANAVERSION),$(GRAFANASHA512))

$(GRAFANA)/typescript: | system/npm
	$(call npmtree,typescript,typescript,$(TSCVERSION),$(TSCSHA512))

# apt installs Debian packages if a command is missing and we are root; others
# are told what to install, and tests skip (or fail, with CI=true).
define apt
	@for command in $(1); do command -v $$command >/dev/null || missing=1; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); \
	else \
	  echo "missing one of: $(1); install the packages: $(2)" >&2; \
	fi
endef

.PHONY: system/node system/clang system/npm system/coturn system/lab system/chromium system/firefox system/proxies system/prometheus system/systemd system/buildah system/redis
system/node: ; $(call apt,node,nodejs)
system/clang: ; $(call apt,clang-19 llvm-strip-19,clang-19 llvm-19) # as turnsvc/dataplane/ebpf/generate.go has it: another one makes other bytes
system/npm: ; $(call apt,npm,npm)
system/coturn: ; $(call apt,turnutils_uclient,coturn)
system/lab: ; $(call apt,ip nft,iproute2 nftables)
system/chromium: ; $(call apt,chromium,chromium fonts-dejavu-core)
system/proxies: ; $(call apt,nginx haproxy caddy,nginx libnginx-mod-stream haproxy caddy)
system/prometheus: ; $(call apt,prometheus promtool,prometheus) # its service is not needed, and may be off
system/systemd: ; $(call apt,systemd-nspawn systemd-analyze dbus-daemon,systemd systemd-container dbus)
system/buildah: ; $(call apt,buildah debootstrap,buildah debootstrap)
# Tests start servers of their own, on ports of their own; a service that the package starts is not needed.
system/redis: ; $(call apt,redis-server redis-sentinel redis-cli,redis-server redis-sentinel redis-tools)
	@command -v valkey-server >/dev/null || [ "$$(id -u)" != 0 ] || ! apt-cache show valkey-server >/dev/null 2>&1 || \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valkey-server || true
system/firefox: ; $(call apt,firefox-esr certutil,firefox-esr libnss3-tools)
