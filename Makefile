PY := .venv/bin/python
RUNNABLE := .venv/runnable
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help run stop demo test lint format hooks bench faults installation-test browser-test messages hashes clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

PORTS = $(if $(PORT),'--port=$(PORT)') $(if $(PHONES_PORT),'--sandbox-port=$(PHONES_PORT)')

run: $(RUNNABLE) .env ## Run the whole system, until Ctrl-C or `make stop` (PORT=8000 PHONES_PORT=8085)
	@$(PY) manage.py dev $(PORTS)

stop: ## End what `make run` started in this checkout, from another terminal
	@if [ -x $(PY) ]; then DEBUG=true $(PY) manage.py dev --stop; fi

demo: $(RUNNABLE) .env ## Take two demo orders through their life over the real system, and show what was sent
	@$(PY) manage.py dev --demo $(PORTS)

# A file's tests stay together: they share what their fixtures start. Which come first, tests/conftest.py says.
test: $(INSTALLED) ## Run all tests, on all cores (ARGS="-k something", ARGS="tests/orders -n 0")
	@$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: export DEBUG = true
lint: $(INSTALLED) ## Check style, types, import directions, who writes to the outbox, scripts, migrations
	$(PY) -m pre_commit validate-config
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) -m pytest --quiet -p no:cacheprovider tests/notifications/test_state_changes.py
	.venv/bin/shellcheck --external-sources .ci/run deploy/*.sh
	$(PY) manage.py makemigrations --check --dry-run

format: $(INSTALLED) ## Format the code
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

hooks: $(INSTALLED) ## Have git check style and import directions before each commit
	@$(PY) -m pre_commit install

bench: $(INSTALLED) ## Measure what things cost beside their floors (ARGS="status idle --quick", ARGS=--help)
	@$(PY) -m tests.bench $(ARGS)

faults: $(INSTALLED) ## Send thousands of messages while everything fails, and count what became of them (SEED=7 SIZE=10000)
	@SEED=$(SEED) SIZE=$(SIZE) $(PY) -m pytest tests/faults/campaign.py --quiet --capture=no $(ARGS)

installation-test: $(INSTALLED) ## Install and deploy on a bare Debian of its own (root; SUITE=bookworm or noble; needs debootstrap, systemd-container)
	@$(PY) -m pytest tests/deploy/installation.py tests/deploy/several_servers.py $(ARGS)

browser-test: $(INSTALLED) ## Run the tests that need a browser (Debian: apt-get install chromium-headless-shell, or chromium)
	@PICTURES=1 $(PY) -m pytest tests/browser $(ARGS)
	@echo "How each page looks: var/screenshots"

messages: export DEBUG = true
messages: $(INSTALLED) ## Collect the texts to translate (needs gettext)
	$(PY) manage.py makemessages --locale pt_BR --ignore var --ignore tests

hashes: $(INSTALLED) ## Write requirements-hashes.txt anew, after a pin of requirements.txt has changed
	@deploy/hash_requirements.sh

clean: ## Delete everything that was generated, the development data too
	@if [ -x $(PY) ]; then DEBUG=true $(PY) manage.py dev --reset; fi
	rm -rf .venv var logs staticfiles .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(PY):
	@python=$$(sh deploy/find_python.sh) && echo "Making .venv with $$python" && "$$python" -m venv --clear .venv

# Installed again only when the requirements changed. A newcomer waits neither for the tools of the tests, nor until
# what is never imported is compiled.
$(RUNNABLE): $(PY) requirements.txt requirements-run.txt
	@echo "Installing the requirements"
	@$(PY) -m pip install --disable-pip-version-check --no-compile --requirement requirements-run.txt
	@touch $@

$(INSTALLED): $(RUNNABLE) requirements-dev.txt
	@echo "Installing the tools of the tests"
	@$(PY) -m pip install --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

.env:
	@echo "Making .env from .env.example"
	@install -m 600 .env.example .env
