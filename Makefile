# The doors for people. `make run` needs Python 3.11 or newer, make and nothing else; PORT=8001 chooses the port,
# DEMO=no leaves the demo out, BIND=0.0.0.0 lets other machines in (not with the demo's known passwords).

PYTHON ?= python3
PORT ?= 8000
BIND ?= 127.0.0.1
JOBS ?= 1
DEMO ?= yes
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements/ml.txt)
# Machines without an NVIDIA driver get the CPU build of PyTorch, a tenth of the size.
TORCH_INDEX ?= $(shell command -v nvidia-smi >/dev/null 2>&1 || echo https://download.pytorch.org/whl/cpu)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run test lint bench assets install install-dev clean
.DELETE_ON_ERROR:

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: install assets  ## install what is missing, then start the web and the workers; Ctrl-C stops them
	@exec $(BIN)/python manage.py up --port $(PORT) --bind $(BIND) $(if $(filter no,$(DEMO)),--no-demo)

test: install-dev assets  ## everything this machine can run; missing parts are named in the summary
	@JOBS=$(JOBS) tests/run

lint: install-dev  ## style, types, import contracts, migrations, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	EVALHUB_VAR=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint templates --lint --quiet

bench: install-dev assets  ## the numbers of this machine, beside the peers'
	$(BIN)/python -m benchmarks

assets: static/vendor/.built  ## fonts, htmx and the chart library, from package-lock.json

install: $(VENV)/.installed  ## the Python environment of the product

install-dev: $(VENV)/.installed-dev  ## the same, with what tests and checks need

clean:  ## remove what was built; var/ (your data) stays
	rm -rf $(VENV) node_modules static/vendor .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "evalhub needs Python 3.11 or newer; '$(PYTHON)' is not. Name another one: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is incomplete here. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created requirements/web.txt requirements/ml.txt
	@echo "Installing Python packages (once; a few minutes, some 300 MB)"
	@$(PIP) -r requirements/web.txt
	@$(PIP) --no-deps --no-index $(TORCH) 2>/dev/null || \
	  $(PIP) --no-deps $(addprefix --extra-index-url ,$(TORCH_INDEX)) $(TORCH)
	@$(PIP) -r requirements/ml.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	@echo "Installing the packages of tests and checks"
	@$(PIP) -r requirements/dev.txt
	@touch $@

static/vendor/.built: package-lock.json static/build.mjs | $(VENV)/.created
	@command -v npm >/dev/null 2>&1 || { echo "Installing Node.js from PyPI, since npm is missing"; $(PIP) -r requirements/node.txt; }
	@echo "Installing fonts, htmx and the chart library"
	@npm ci --no-fund --no-audit --no-update-notifier --loglevel=error
	@npm run --silent build
	@touch $@
