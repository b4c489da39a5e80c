# `make up` and `make test` set up what they need: Rust, Node 20, Python 3.11 and make are enough.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

export PATH := $(CURDIR)/.venv/bin:$(PATH)

TARGET := $(or $(CARGO_TARGET_DIR),target)/release
CARGO := cargo
LOCKED := --release --locked
NEXTEST_PROFILE := default
ARGS :=

SERVERS := .venv/servers.stamp
TOOLS := .venv/tools.stamp
NPM := npm --prefix web
NODE_MODULES := web/node_modules/.package-lock.json
DASHBOARD := web/dist/index.html

.PHONY: help
help: ## Print this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo
	@echo '  make up ARGS=--detach, make test ARGS=name: ARGS is passed on'

.PHONY: setup
setup: $(SERVERS) ## Install the servers that meterd brings along into .venv

$(SERVERS): requirements.txt scripts/venv
	scripts/venv
	@touch $@

$(TOOLS): requirements-dev.txt examples/replay_flights/requirements.txt scripts/venv
	scripts/venv tools
	@touch $@

$(NODE_MODULES): web/package.json web/package-lock.json web/.npmrc
	@command -v npm >/dev/null || { echo 'meterd builds its dashboard with Node 20.19 or later: install it' >&2; exit 1; }
	$(NPM) ci --silent
	@touch $@

$(DASHBOARD): $(NODE_MODULES) $(shell find web/src web/public web/scripts web/index.html web/*.ts -type f)
	$(NPM) run --silent build
	@touch $@

.PHONY: build
build: $(DASHBOARD) ## Build the programs, the dashboard inside
	$(CARGO) build $(LOCKED) --workspace --bins

.PHONY: up
up: $(SERVERS) build ## Build and run the whole system on this machine
	@exec $(TARGET)/meterd up $(ARGS)

.PHONY: test
test: $(SERVERS) $(TOOLS) $(DASHBOARD) ## Build everything and run every test against servers of its own
	$(CARGO) build $(LOCKED) --workspace --all-targets
	$(CARGO) test $(LOCKED) --workspace --doc --quiet
	$(TARGET)/meterd servers -- \
	    $(CARGO) nextest run $(LOCKED) --workspace --profile $(NEXTEST_PROFILE) $(ARGS)
	$(if $(ARGS),,scripts/python-tests)
	$(if $(ARGS),,scripts/schemathesis)
	$(if $(ARGS),,@$(MAKE) --no-print-directory test-web)

.PHONY: test-python
test-python: $(SERVERS) $(TOOLS) build ## Build the Python package and run its tests
	scripts/python-tests $(ARGS)

.PHONY: wheel
wheel: $(TOOLS) ## Build the Python package for every Python found, into dist/
	scripts/wheel

.PHONY: test-web
test-web: $(SERVERS) build ## Test the dashboard, in Chromium and against a real system
	$(NPM) run --silent test
	$(NPM) run --silent size
	chromium=$$(scripts/chromium) && CHROMIUM=$$chromium METERD=$(abspath $(TARGET)/meterd) $(NPM) run --silent e2e

.PHONY: check
check: $(TOOLS) $(NODE_MODULES) ## Check formatting, lints, dependencies, spelling, lengths, compose.yaml
	$(CARGO) fmt --all --check
	scripts/check-lengths
	scripts/check-compose
	typos
	$(CARGO) shear
	$(CARGO) deny --locked check --hide-inclusion-graph bans licenses sources
	$(NPM) run --silent check
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings

.PHONY: fmt
fmt: $(NODE_MODULES) ## Format the sources
	$(CARGO) fmt --all
	$(NPM) run --silent fix

.PHONY: bench
bench: $(SERVERS) ## Measure: rates, latencies, and that every accepted event counts once
	$(CARGO) build $(LOCKED) -p bench -p meterd
	@$(TARGET)/bench $(ARGS)

.PHONY: try-compose
try-compose: $(TOOLS) ## Prove compose.yaml without a Docker engine: root, Debian, a while
	deploy/try-compose.sh

.PHONY: clean
clean: ## Delete what was built and installed here; data stays
	$(CARGO) clean
	rm -rf .venv web/node_modules web/dist/*
