# kjerne: `make up` starts everything, `make test` proves it. Both make what they need first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# One more than the cores that a change is tested on: each of them waits now and then, for a browser or for a moment to pass.
WORKERS ?= 3

.DEFAULT_GOAL := help
STORM ?= 10000
# Tests start the program over and over, and pytest rewrites their own files: without bytecode all that is compiled each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: .machine .compiled help setup up test storm laws chance coverage mutants judge-clients judge-links judge-sekmet judge-schemathesis judge-sql-on-fhir lint assets definitions wheel bench lock clean

help:
	@echo "make up      start the platform with synthetic people (PORT=8000 DATA=data PEOPLE=40 SOURCES=3)"
	@echo "make test    everything the tests need, then linters and tests"
	@echo "make storm   $(STORM) bad requests, audited answers, tampered logs, ten times as many forgeries (STORM=10000)"
	@echo "make laws    every cell of the access matrix on every path, in both jurisdictions; the suite a twentieth"
	@echo "make chance  the suite, with what it draws by chance and the order of files drawn anew (KJERNE_LAWS_SEED, KJERNE_STORM_SEED, KJERNE_ORDER_SEED replay it)"
	@echo "make coverage  every branch of policy/ is taken by some test, or it fails"
	@echo "make judge-clients   four published FHIR clients run a story against this checkout"
	@echo "make judge-links   a published receiver of SMART Health Links opens a link of this checkout"
	@echo "make mutants   policy/ changed in one place at a time; fails where tests notice fewer than 95 % (ONLY=facts.py SAMPLE=100 MINUTES=30 QUICK=1)"
	@echo "make lint    ruff, import-linter, mypy"
	@echo "make bench   the benchmarks, beside their floor"
	@echo "make judge-sekmet  the scenarios of another program (sekmet-fhir) against our server; fails where any is not green"
	@echo "make judge-schemathesis  requests made by our OpenAPI document, as seven personas; fails where an answer is not as it says (SECONDS=120 SEED=1)"
	@echo "make judge-sql-on-fhir  the tests that SQL on FHIR publishes, against our views (KJERNE_SQL_ON_FHIR=folder)"
	@echo "make wheel   an installable package in dist/, assets and definitions inside"
	@echo "make lock    resolve the dependencies anew"

setup: $(VENV)/.installed definitions assets

$(BIN)/python:
	@$(PYTHON) tools/machine.py setup
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "installing the locked dependencies in $(VENV)"
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test-tools: requirements/test.txt $(VENV)/.installed
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

definitions: $(VENV)/.installed
	@$(BIN)/python tools/build_definitions.py
	@$(BIN)/python tools/build_rules.py
	@$(BIN)/python tools/build_concepts.py
	@$(BIN)/python tools/build_terminology.py
	@$(BIN)/python tools/build_profiles.py

assets: $(VENV)/.installed
	@command -v npm >/dev/null || test -x $(BIN)/npm || $(PIP) install --require-hashes -r requirements/node.txt
	@$(BIN)/python tools/build_assets.py

up: setup
	@$(BIN)/kjerne up $(if $(PORT),--port $(PORT)) $(if $(DATA),--data $(DATA)) $(if $(PEOPLE),--people $(PEOPLE)) \
		$(if $(SOURCES),--sources $(SOURCES))

lint: $(VENV)/.test-tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

# What does not need each other is done beside each other; each takes a core.
test: | $(BIN)/python
	@$(MAKE) --no-print-directory -j3 .machine definitions $(VENV)/.test-tools
	@$(MAKE) --no-print-directory assets
	@$(BIN)/python tools/build_assets.py --tests
	@$(MAKE) --no-print-directory -j2 lint .compiled
	$(BIN)/python tools/suite.py -n $(WORKERS) --dist loadfile

.machine:
	@$(PYTHON) tools/machine.py tests

# Each worker reads all files of tests, and in a fresh checkout each would compile them: 15 s of processor, once and not thrice.
# Where one cannot be read the suite says so.
.compiled: $(VENV)/.test-tools
	@test -d tests/__pycache__ || $(BIN)/python -m pytest -q --collect-only >/dev/null || true

# Each run draws anew; the suite draws the same each time (tests/seeds.py).
storm laws chance: export KJERNE_CHANCE = 1

storm: setup $(VENV)/.test-tools
	KJERNE_STORM=$(STORM) $(BIN)/python -m pytest -q tests/storms

laws: setup $(VENV)/.test-tools
	KJERNE_LAWS=all $(BIN)/python -m pytest -q -s -p no:logging tests/laws

chance: setup $(VENV)/.test-tools
	@$(BIN)/python tools/build_assets.py --tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

coverage: setup $(VENV)/.test-tools
	$(BIN)/coverage run --source=src/kjerne/policy -m pytest -q tests/policy tests/laws/test_attestation.py \
		tests/services/results/test_preferences.py tests/laws/test_choices.py tests/services/access_log
	$(BIN)/coverage report --show-missing --fail-under=100

mutants: setup $(VENV)/.test-tools
	$(BIN)/python tools/mutants.py $(if $(ONLY),--only $(ONLY)) $(if $(SAMPLE),--sample $(SAMPLE)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(QUICK),--quick)

judge-clients: setup
	$(BIN)/python tools/judge_clients

wheel: setup
	@$(BIN)/python -m hatchling build -t wheel

bench: setup
	$(BIN)/kjerne bench

judge-links: setup
	$(BIN)/python tools/judge_links

judge-sekmet: setup
	$(BIN)/python tools/judge_sekmet.py

judge-schemathesis: setup
	$(BIN)/python tools/judge_schemathesis $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

judge-sql-on-fhir: setup
	$(BIN)/python tools/judge_sql_on_fhir.py

lock:
	for name in run build node test; do \
		in=requirements/$$name.in; test $$name = run && in=pyproject.toml; \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
			--no-emit-find-links $$in -o requirements/$$name.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) dist build web/node_modules src/kjerne/pages/static/vendor src/kjerne/fhir/data
