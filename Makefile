# make demo: set everything up and run the whole job on simulated records
# make test: set everything up and run all tests
# make test-second: the tests that need no torch, on Python 3.13 or 3.12 (SECOND=... names one) with its own packages
# make lint: style and types
# make docs: write docs/commands.md from every command's help, the names in docs/python.md, and the rooms of
#   docs/architecture.md, from the code

VENV ?= .venv
SECOND ?= $(shell .ci/find-python 3.13 3.12)
SECOND_VENV ?= .venv-second
# what a second interpreter runs: meaning, bytes at rest, and the way from records to a store
SECOND_TESTS ?= tests/ecg tests/cache tests/test_imports.py $(addprefix tests/pipeline/,\
	runtime files formats recordings http download ingest test_simulate.py training/test_split.py training/test_folds.py)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# zarr, numcodecs and numpy have left Python 3.11 behind, so it has pins of its own
PINS := $(shell $(PYTHON) -c 'import sys; print("" if sys.version_info < (3, 12) else "-3.13")')
PYTEST_ARGS ?= -n 2
DEMO ?= demo

.PHONY: demo test test-second lint format docs clean

demo: $(VENV)/.run
	$(VENV)/bin/python cli.py demo --output $(DEMO) --force

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

test-second: $(SECOND_VENV)/.dev
	$(SECOND_VENV)/bin/python -m pytest -p tests.without_torch -m "not slow" $(PYTEST_ARGS) $(SECOND_TESTS)

$(SECOND_VENV)/.dev: requirements-3.13.txt requirements-dev-3.13.txt
	@test -n "$(SECOND)" || { echo "no Python 3.13 or 3.12 is here: install one, or name it with make SECOND=..."; exit 1; }
	$(SECOND) -m venv $(SECOND_VENV)
	grep -hvE '^(-r|(torch.*|pytorch-lightning|datasets|pyarrow|triton|onnx.*|mypy.*|ruff|.*-stubs)==)' requirements-3.13.txt requirements-dev-3.13.txt \
		>$(SECOND_VENV)/without-torch.txt
	$(SECOND_VENV)/bin/python -m pip install --quiet -r $(SECOND_VENV)/without-torch.txt
	touch $@

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/.dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: $(VENV)/.run
	$(VENV)/bin/python docs/write_commands.py
	$(VENV)/bin/python docs/draw_rooms.py
	$(VENV)/bin/python docs/write_names.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11: install it, or name it with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements$(PINS).txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet -r requirements$(PINS).txt
	touch $@

$(VENV)/.dev: requirements$(PINS).txt requirements-dev$(PINS).txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet -r requirements-dev$(PINS).txt
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) $(SECOND_VENV) $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis
