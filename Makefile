# Everything that a user, a developer or CI runs. Nothing is installed outside the checkout.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PY := .venv/bin/python
export PYTHON ?= python3
export TMPDIR := $(CURDIR)/.uv/tmp
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
PART ?= all
ROUNDS ?= 5

.PHONY: demo cluster client test faults soak check setup bench peers format lock clean

demo: setup ## Run the main job on embedded servers and leave the API running (ARGS=--exit stops after printing)
	.venv/bin/wattledger demo --part $(PART) $(ARGS)

cluster: setup ## Three NATS nodes and PostgreSQL in var/cluster until Ctrl-C; prints how to use them
	$(PY) -m adapters.embedded.cluster var/cluster

client: setup ## A typed Python client of the API, generated into var/client
	$(PY) -m adapters.http.description .uv/tmp/openapi.json
	PATH="$(CURDIR)/.venv/bin:$$PATH" openapi-python-client generate --path .uv/tmp/openapi.json --meta none \
		--output-path var/client/wattledger_client --overwrite --fail-on-warning --config examples/desk/client.yaml

TEST := $(PY) -m pytest -n 4 --dist worksteal -o tmp_path_retention_policy=failed

test: setup ## The tests, fixed seeds, real servers
	$(TEST) -m "not fault" $(ARGS)

faults: setup ## Servers killed, frozen, cut off and damaged under load; a cluster of three; made-up requests
	$(TEST) -m fault tests $(ARGS)

soak: setup ## Every property and fault again and again with new seeds (ROUNDS=5), to be run by hand
	for round in $$(seq $(ROUNDS)); do \
		seed=$$((RANDOM * 32768 + RANDOM)); echo "round $$round, FAULT_SEED=$$seed"; \
		PROPERTY_SEEDS=new FAULT_SEED=$$seed $(TEST) tests $(ARGS); \
	done

check: setup ## Format, lint, types, import rules, spelling, dependencies, migrations
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/codespell ledger trading dispatch adapters tests benchmarks docs README.md ARCHITECTURE.md CHANGELOG.md
	.venv/bin/deptry .
	.venv/bin/squawk migrations/*.sql

bench: setup ## Ratios against limits and peers, taken in one run
	$(PY) -m benchmarks $(ARGS)

peers: setup ## Other planners in environments of their own (.uv/peers), the same days given to each (ARGS="pypsa emhass")
	$(PY) -m benchmarks.peers $(ARGS)

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

setup: .venv/installed | .uv/tmp ## Make .venv with the locked dependencies (PYTHON=python3.12 takes another Python)

.venv/installed: requirements.lock pyproject.toml .ci/setup .ci/uv.txt
	@.ci/setup

.uv/tmp:
	mkdir -p $@

lock: setup ## Resolve the newest allowed versions into requirements.lock
	UV_CACHE_DIR=.uv/cache UV_NO_CONFIG=1 .uv/bin/uv pip compile pyproject.toml --group dev --universal \
		--generate-hashes --no-header --no-annotate --python-version 3.11 --upgrade --quiet \
		--output-file requirements.lock

clean: ## Remove what setup and running made
	rm -rf .venv .uv var
