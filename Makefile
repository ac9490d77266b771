# Everything that a user, a developer or CI runs. Nothing is installed outside the checkout.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PY := .venv/bin/python
UV := .uv/bin/uv
export UV_CACHE_DIR := $(CURDIR)/.uv/cache
export PIP_NO_CACHE_DIR := 1
export UV_PYTHON_DOWNLOADS := never
export UV_NO_CONFIG := 1
export UV_LINK_MODE := copy
ARGS ?=
PART ?= all

.PHONY: demo test check setup bench faults soak format lock clean

demo: setup ## Run the main job on embedded servers and leave the API running (ARGS=--exit stops after printing)
	.venv/bin/wattledger demo --part $(PART) $(ARGS)

test: setup ## All tests, fixed seeds, real servers
	$(PY) -m pytest -n 2 --dist worksteal $(ARGS)

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

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

setup: .venv/installed ## Make .venv with the locked dependencies

.venv/installed: requirements.lock pyproject.toml $(UV)
	mkdir -p .uv/tmp
	test -x $(PY) || TMPDIR=$(CURDIR)/.uv/tmp $(UV) venv --quiet --python python3 .venv
	TMPDIR=$(CURDIR)/.uv/tmp $(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	TMPDIR=$(CURDIR)/.uv/tmp $(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	touch $@

$(UV):
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .uv uv==0.13.8

lock: $(UV) ## Resolve the newest allowed versions into requirements.lock
	$(UV) pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --quiet --output-file requirements.lock

clean: ## Remove what setup and running made
	rm -rf .venv .uv var
