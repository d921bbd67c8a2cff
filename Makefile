# Each target makes what it needs: the environment in .venv once, and again when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check

.PHONY: help demo study docs test test-slow lint replay prove mutants fuzz bench clean compiler
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo       compile the bundled jet tagger to verified firmware, and find narrower types"
	@echo "make study      train and study the example networks, in build/study; minutes with quick settings"
	@echo "make docs       make the documentation as a site, in build/docs; its tutorials are executed"
	@echo "make test       run the tests, except the slow ones"
	@echo "make test-slow  run the slow tests"
	@echo "make lint       check style, types and the layering of imports"
	@echo "make replay     tell what differs from the firmware of a revision (BASE=main; DIFF=1 shows texts)"
	@echo "make prove      prove the handshake modules' properties"
	@echo "make mutants    count the faults in the handshake modules that verification finds"
	@echo "make fuzz       try random inputs and designs for MINUTES=10, with a new seed"
	@echo "make bench      measure the figures of docs/benchmarks.md"
	@echo "make clean      remove the environment and all that was built"

demo: $(VENV)/installed compiler
	@$(VENV)/bin/loopwire precision examples/jets/jet_lstm20.keras \
	    --data examples/jets/jets_test2k.npz --keep 'mean_auc>=0.98' --out build/demo_types.toml
	@$(VENV)/bin/loopwire compile examples/jets/jet_lstm20.keras \
	    --data examples/jets/jets_test2k.npz --out build/demo

study: $(VENV)/installed-study compiler
	@$(PY) -m examples.study

docs: $(VENV)/installed-docs compiler
	@$(PY) -m sphinx -q -W --keep-going -c docs -b html . build/docs
	@echo "Documentation: build/docs/docs/index.html"

test: $(VENV)/installed-test compiler
	@$(PY) -m pytest -n 2

test-slow: $(VENV)/installed-test compiler
	@$(PY) -m pytest -n 2 -m slow

lint: $(VENV)/installed-lint
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo

replay: $(VENV)/installed-test
	@$(PY) tests/replay.py --base $(or $(BASE),main) $(if $(DIFF),--diff)

prove: $(VENV)/installed-prove
	@$(PY) -m bench.prove

mutants: $(VENV)/installed-test compiler
	@$(PY) -m bench.mutants

MINUTES ?= 10
fuzz: $(VENV)/installed-test compiler
	@$(PY) -m fuzz.run --minutes $(MINUTES)

bench: $(VENV)/installed compiler
	@$(PY) bench/run.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf src/loopwire.egg-info
	find src tests fuzz bench examples -name __pycache__ -type d -exec rm -rf {} +

compiler:
	@command -v g++ >/dev/null || \
	    { echo "make: 'g++' is not found, and the simulation of the firmware needs it. Install it" \
	        "(Debian and Ubuntu: apt install g++)" >&2; exit 1; }

$(PY):
	@command -v $(PYTHON) >/dev/null || \
	    { echo "make: '$(PYTHON)' is not found. Install Python 3.11 or later, or name it with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "make: '$(PYTHON)' is $$($(PYTHON) --version), and Loopwire needs 3.11 or later." \
	        "Name a newer one with PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --upgrade pip

$(VENV)/installed: EXTRAS := [plots]
$(VENV)/installed-docs: EXTRAS := [docs]
$(VENV)/installed-study: EXTRAS := [plots,train,physics]
$(VENV)/installed-test: EXTRAS := [test,train]
$(VENV)/installed-prove: EXTRAS := [prove]
$(VENV)/installed-lint: EXTRAS := [lint]
$(VENV)/installed $(addprefix $(VENV)/installed-,docs study test prove lint): pyproject.toml | $(PY)
	@echo "Installing loopwire$(EXTRAS) ..."
	@$(INSTALL) -e '.$(EXTRAS)'
	@touch $@
