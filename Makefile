# The only command surface. A fresh clone needs make, Python 3.11 or newer and, for the CDK, Node.js;
# every target first sets up what it uses.

PYTHON ?= python3
PORT ?= 8787
STAGE ?= prod
REQUESTS ?= 20000
# Further arguments for pytest: make unit ARGS='-k ledger'
ARGS ?=

BIN := .venv/bin
ENV := .venv/.stamp
EMULATOR := .local/emulator/.stamp
CDK := .local/cdk/.stamp
AI_SDK := .local/ai_sdk/.stamp
LLM := .local/llm/.stamp
AGENTS := .local/agents/.stamp
SUITES := unit replay integration infra e2e
PREFLIGHT := $(PYTHON) infra/local/preflight.py
# Tests build layers, for which uv may have to fetch.
PYTEST = $(WITH_INDEX) $(BIN)/python -m pytest $(ARGS)
# uv does not read pip's configuration, which may be the only one that knows of a mirror.
INDEX = $${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null)}}
WITH_INDEX = UV_DEFAULT_INDEX="$(INDEX)"
UV = $(WITH_INDEX) $(BIN)/uv
COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade) \
	--custom-compile-command 'make lock'

# What jsii says at length of Node.js 20, on which it works.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# Whose storage a command is for: who names a port and no stage means the local run there.
REACHED = $(if $(findstring command,$(origin STAGE)),$(STAGE),$(if $(findstring command,$(origin PORT)),local,$(STAGE)))

export PYTHONPATH := $(CURDIR)/layers/core/python:$(CURDIR)/layers/stream_runtime/python:$(CURDIR)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint types imports $(SUITES) bench chaos catalog catalog-override audit redrive layers synth lock \
	format clean bootstrap deploy diff destroy bootstrap-account providers status cost has-node has-port

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: has-port $(ENV) $(EMULATOR) ## Run everything on this machine, at http://127.0.0.1:8787 (PORT=8788 moves it)
	@PORT=$(PORT) exec $(BIN)/python -m infra.local

test: has-node lint types imports $(EMULATOR) $(CDK) $(AI_SDK) $(LLM) $(AGENTS) ## Check and test everything
	@$(WITH_INDEX) $(BIN)/python -m tests $(ARGS)

lint: $(ENV) ## Check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(ENV) ## Check types
	@$(BIN)/mypy

imports: $(ENV) ## Check that dependencies point one way
	@$(BIN)/lint-imports --no-logo

unit: $(ENV) ## Test the rules, in memory
replay: $(ENV) ## Test what is read from recorded provider traffic
integration: $(ENV) $(EMULATOR) ## Test storage and each function on the emulator
infra: has-node $(ENV) ## Test the synthesized templates and the layers
e2e: has-node $(ENV) $(EMULATOR) $(CDK) $(AI_SDK) $(LLM) $(AGENTS) ## Test what a customer does, with the real clients
$(SUITES):
	@$(if $(wildcard tests/$@),$(PYTEST) tests/$@,echo "There are no tests/$@.")

chaos: $(ENV) $(EMULATOR) ## Kill, lose, repeat and throttle everything for minutes, then audit the money (REQUESTS=20000 SEED=…)
	@$(BIN)/python -m tests.chaos --requests $(REQUESTS) $(if $(SEED),--seed $(SEED))

bench: $(ENV) $(EMULATOR) ## Measure what the router adds to a direct call
	@$(BIN)/python -m tests.bench

catalog: $(ENV) ## Compile the catalog into .build/catalog, and list what of its sources leads to no endpoint
	@$(BIN)/python -m infra.catalog

catalog-override: $(ENV) ## Store a catalog file in a deployment: FILE=my.toml STAGE=prod (local: PORT=8787)
	@$(BIN)/python -m infra.catalog_override $(STAGE) $(FILE) --port $(PORT)

audit: $(ENV) ## Check every balance against the ledger's entries: STAGE=prod (local: PORT=8787)
	@$(BIN)/python -m infra.audit $(REACHED) --port $(PORT)

redrive: $(ENV) ## Move usage events that could not be settled back to metering (LOOK=1: only show them); as audit
	@$(BIN)/python -m infra.redrive $(REACHED) --port $(PORT) $(if $(LOOK),--look)

layers: $(ENV) ## Build the layers into .build/layers (STAGE=local: for this machine, not for Lambda)
	@$(WITH_INDEX) $(BIN)/python -m infra.layers $(STAGE)

synth: has-node $(ENV) ## Synthesize the CDK app into .build/cdk.out, offline once the layers are built
	@$(WITH_INDEX) STAGE=$(STAGE) $(BIN)/python -m infra.app

bootstrap: has-node $(ENV) $(CDK) ## Prepare your AWS account for the CDK, once: STAGE=prod
deploy: has-node $(ENV) $(CDK) ## Deploy a stage of infra/config.toml into your AWS account: STAGE=prod
diff: has-node $(ENV) $(CDK) ## Show what a deployment would change: STAGE=prod
destroy: has-node $(ENV) $(CDK) ## Remove functions and API, and keep the data: STAGE=prod (YES=1: without asking)
bootstrap-account: $(ENV) ## Create a deployment's first account and print its keys: STAGE=prod CREDIT=10
providers: $(ENV) ## Write the providers' credentials of this environment into the deployment's secret: STAGE=prod
status: $(ENV) ## Show how a deployment is: STAGE=prod
bootstrap deploy diff destroy bootstrap-account providers status:
	@$(WITH_INDEX) $(BIN)/python -m infra.cloud $@ $(STAGE)

cost: $(ENV) ## Show AWS's bill for nothing and for up to 100 million requests a month: STAGE=prod
	@$(BIN)/python -m infra.cost $(STAGE)

lock: $(ENV) ## Write the locks after a change of pyproject.toml (UPGRADE=1: with the newest versions)
	$(COMPILE) pyproject.toml -o layers/deps/requirements.txt
	$(COMPILE) pyproject.toml --group dev -c layers/deps/requirements.txt -o tests/requirements.txt
	$(COMPILE) --group emulator -o infra/local/requirements.txt
	$(COMPILE) --group clients -o tests/e2e/clients/requirements.txt

format: $(ENV) ## Fix style and format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

clean: ## Remove everything that make has made
	rm -rf .build .local .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find functions infra layers tests -name __pycache__ -prune -exec rm -rf {} +

has-node:
	@$(PREFLIGHT) node

has-port:
	@$(PREFLIGHT) port "$(PORT)"

# uv is in the lock like the rest: pip checks its hash, and uv theirs.
$(ENV): tests/requirements.txt
	@python=$$($(PREFLIGHT) python) && echo "Creating .venv with $$python" && "$$python" -m venv --clear .venv
	@echo "Fetching uv, which installs everything else"
	@sed -n '/^uv==/,/[^\\]$$/p' $< | $(BIN)/pip install -qq --require-hashes --no-deps -r /dev/stdin
	@echo "Installing $< into .venv"
	@$(UV) pip sync --python $(BIN)/python $<
	@touch $@

$(EMULATOR): infra/local/requirements.txt | $(ENV)
	@echo "Installing $< into $(@D), the AWS emulator's own environment"
	@$(UV) venv -q --clear --python $(BIN)/python $(@D)
	@$(UV) pip sync --python $(@D)/bin/python $<
	@touch $@

$(CDK): infra/cdk/package.json infra/cdk/package-lock.json infra/cdk/.npmrc
	@echo "Installing the CDK CLI into $(@D)"
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --silent
	@touch $@

$(AI_SDK): tests/e2e/ai_sdk/package.json tests/e2e/ai_sdk/package-lock.json tests/e2e/ai_sdk/.npmrc
	@echo "Installing Vercel's AI SDK into $(@D), for the tests"
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --silent
	@touch $@

$(LLM): tests/e2e/clients/requirements.txt | $(ENV)
	@echo "Installing $< into $(@D), for the tests"
	@$(UV) venv -q --clear --python $(BIN)/python $(@D)
	@$(UV) pip sync --python $(@D)/bin/python $<
	@touch $@

# 700 MB of programs, which not every registry delivers: without them there is no stamp, and their tests are skipped.
$(AGENTS): tests/e2e/clients/package.json tests/e2e/clients/package-lock.json tests/e2e/clients/.npmrc | $(ENV)
	@echo "Installing Claude Code and Codex into $(@D), for the tests"
	@mkdir -p $(@D) && cp $^ $(@D)
	@$(BIN)/python -m tests.e2e.clients.install $(@D)
