# Two commands matter: `make run` and `make test`. PORT=8001 and MAGNET_DATA_DIR=/somewhere are honoured by both.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PACKAGES := magnet knowledge tools_app agents conversations tests
# How many processes share the tests; on two cores a third gains nothing.
JOBS ?= 2
# How often a test that fails is run again; one that then passes is listed as RERUN.
RERUNS ?= 0

.PHONY: run test lint format clean install lint-code lint-format lint-types lint-layers check-migrations check-deploy pytest pictures
.NOTPARALLEL:
.DEFAULT_GOAL := run

run: .venv/installed
	@exec $(BIN)/python manage.py start --parent $$PPID

test: lint check-migrations check-deploy pytest
	@echo "All checks passed."

lint: lint-code lint-format lint-types lint-layers

lint-code: .venv/installed-dev
	@echo "== ruff check"
	@$(BIN)/ruff check .

lint-format: .venv/installed-dev
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check --quiet . || { echo 'Run `make format`.'; exit 1; }

lint-types: .venv/installed-dev
	@echo "== mypy"
	@$(BIN)/mypy $(PACKAGES)

lint-layers: .venv/installed-dev
	@echo "== import-linter"
	@$(BIN)/lint-imports --verbose > .venv/lint-imports.log 2>&1 || { cat .venv/lint-imports.log; exit 1; }

check-migrations: .venv/installed-dev
	@echo "== no migration is missing"
	@DATABASE_URL= MAGNET_ENVIRONMENT=local MAGNET_DATA_DIR=.data-test \
		$(BIN)/python manage.py makemigrations --check --dry-run

# The check opens no connection, so the address need not answer.
check-deploy: .venv/installed-dev
	@echo "== deploy check under production settings"
	@secret() { $(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))'; }; \
		MAGNET_ENVIRONMENT=production MAGNET_DEBUG=false MAGNET_ALLOWED_HOSTS=magnet.example.com \
		MAGNET_SECRET_KEY=$$(secret) MAGNET_ENCRYPTION_KEYS=$$(secret) \
		DATABASE_URL=postgresql://magnet:secret@127.0.0.1:1/magnet MAGNET_DATA_DIR=.data-test \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

pytest: .venv/installed-dev
	@echo "== pytest"
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --reruns $(RERUNS) -rfER

# For the handbook and the README; look at each before it is committed.
pictures: .venv/installed-dev
	@MAGNET_PICTURES=1 $(BIN)/python -m pytest tests/browser --reruns 0

format: .venv/installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

install: .venv/installed

.venv/installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Magnet needs Python 3.11 or newer, with its venv module; none was found. Install it, or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing requirements.txt into .venv (the first time takes some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@echo "Installing requirements-dev.txt into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# The data folder stays: it holds documents and secrets.
clean:
	rm -rf .venv .data-test staticfiles test-results .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
