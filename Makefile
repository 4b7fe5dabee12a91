# Recordmill's daily commands. `make` alone lists them.
# Needs make and Python 3.11 or newer, nothing else: servers that are missing come as wheels.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo run worker scheduler test test-fast model check fix bench chaos soak screenshots

# The first Python here that is new enough.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
# Named after what is in the requirements, so that a change installs anew and nothing else does.
RUN_READY := .venv/.run-$(shell cksum < requirements.txt | tr -d ' ')
DEV_READY := .venv/.dev-$(shell cat requirements.txt requirements-dev.txt | cksum | tr -d ' ')
BENCH_READY := .venv/.bench-$(shell cat requirements.txt requirements-dev.txt benchmarks/requirements.txt | cksum | tr -d ' ')
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
# A test run's settings: for tools that must load them and touch nothing.
TEST_SETTINGS := RECORDMILL_TESTING=1 HANDLER_APPS=demo,tests.handling
PRODUCTION_SETTINGS := RECORDMILL_TESTING= DEBUG=0 INSECURE_HTTP=0 ALLOWED_HOSTS=example.org \
	SECRET_KEY=Kz1-for-this-check-only-9vQ2mT7xW4nB8yR3sL6jH5gD0fP

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed and was not found" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

$(RUN_READY): | .venv/bin/python
	@echo "Installing what Recordmill needs into .venv (once, about a minute)"
	@$(PIP_INSTALL) -r requirements.txt
	@rm -f .venv/.run-* && touch $@

$(DEV_READY): | .venv/bin/python
	@echo "Installing what working on Recordmill needs into .venv (once, a few minutes)"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@rm -f .venv/.dev-* && touch $@

setup: $(RUN_READY) $(DEV_READY)  ## make .venv with everything in it

demo: $(RUN_READY)  ## start everything, filled with sample data; prints the login
	@exec $(BIN)/python -m deploy.local demo

run: $(RUN_READY)  ## start everything on this machine; PORT=8000 WORKERS=2
	@exec $(BIN)/python -m deploy.local run

worker: $(RUN_READY)  ## one more worker beside `make run`; QUEUE=default
	@exec $(BIN)/python manage.py rqworker $(or $(QUEUE),default)

scheduler: $(RUN_READY)  ## one more scheduler beside `make run`
	@exec $(BIN)/python manage.py rqscheduler

test: $(DEV_READY)  ## all tests, on SQLite and Postgres side by side; ARGS="-k name"
	@exec $(BIN)/python -m tests.everything $(ARGS)

test-fast: $(DEV_READY)  ## tests on SQLite, without browser and slow ones
	@$(BIN)/python -m pytest -m "not browser and not slow" $(ARGS)

model: $(DEV_READY)  ## thousands of stories told beside a reference, and longer schedules; EXAMPLES=2000
	@failed=; for database in sqlite postgres; do echo "== stories on $$database"; \
		TEST_DATABASE=$$database MODEL_EXAMPLES=$(or $(EXAMPLES),2000) MODEL_PREEMPTIONS=2 \
		$(BIN)/python -m pytest -o timeout=0 tests/model $(ARGS) || failed="$$failed $$database"; done; \
	if [ -n "$$failed" ]; then echo "stories failed on:$$failed" >&2; exit 1; fi

CHECKS := lint format types layers migrations deployment
.PHONY: $(addprefix check-,$(CHECKS))

check: $(DEV_READY)  ## lint, format, types, layers, migrations, deployment; all, then the verdict
	@failed=; for step in $(CHECKS); do echo "== $$step"; \
		$(MAKE) --silent --no-print-directory check-$$step || failed="$$failed $$step"; done; \
	if [ -n "$$failed" ]; then echo "checks failed:$$failed" >&2; exit 1; fi; echo "all checks passed"

check-lint:
	@$(BIN)/ruff check .
check-format:
	@$(BIN)/ruff format --check .
check-types:
	@$(TEST_SETTINGS) $(BIN)/mypy .
check-layers:
	@$(BIN)/lint-imports
check-migrations:
	@$(TEST_SETTINGS) $(BIN)/python manage.py makemigrations --check --dry-run
check-deployment:
	@$(PRODUCTION_SETTINGS) $(BIN)/python manage.py check --deploy --fail-level WARNING

fix: $(DEV_READY)  ## format, and mend what lint can mend
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

$(BENCH_READY): $(DEV_READY)
	@echo "Installing what measuring Recordmill against others needs into .venv (once)"
	@$(PIP_INSTALL) -r benchmarks/requirements.txt
	@rm -f .venv/.bench-* && touch $@

bench: $(BENCH_READY)  ## measure: records per second, page times; ARGS="--help"
	@exec $(BIN)/python -m benchmarks $(ARGS)

SECONDS = $(if $(MINUTES),$(shell expr $(MINUTES) \* 60),120)
DATABASE ?= postgres
DRAWN = --database $(DATABASE) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

chaos: $(DEV_READY)  ## break everything, one by one and at once; MINUTES=2 SEED= DATABASE=postgres|sqlite PART=matrix|soup
	@for part in $(or $(PART),matrix soup); do options="--database $(DATABASE)"; \
		[ $$part = matrix ] || options="$(DRAWN)"; \
		$(BIN)/python -m tests.chaos $$part $$options || exit 1; done

soak: $(DEV_READY)  ## work for long amid rare faults, and watch what must stay flat; MINUTES=60 SEED= DATABASE=
	@exec $(BIN)/python -m tests.chaos soak --per-second $(or $(RATE),100) $(DRAWN)

screenshots: $(DEV_READY)  ## take the pictures in docs/ anew
	@exec $(BIN)/python -m docs.screenshots
