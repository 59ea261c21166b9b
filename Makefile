# All work happens in a virtual environment, which the first target that needs it makes.
# Stamp files in it record what is installed; a stamp is written last, so what broke off is done again.

# Plain = on purpose: only the command line overrides these, not a variable that the shell happens to hold.
PYTHON = python3
VENV   = .venv
TORCH  = torch==2.13.0
ARGS   =

python := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test array-api lint types bench bench-check fuzz mutants wheel clean venv

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS="…"              more arguments for demo, test (pytest), bench, fuzz or mutants'
	@echo '  PYTHON=python3.12     the interpreter that a new environment is made with (default $(PYTHON))'
	@echo '  VENV=path             the environment, a new or an existing one (default $(VENV))'
	@echo '  TORCH=                do not install $(TORCH): without it, comparisons are skipped'

demo: $(VENV)/.installed ## install the package and train a first network
	@$(python) -m minigrad demo --seed 0 $(ARGS)

test: $(if $(TORCH),$(VENV)/.installed-torch) lint types ## lint, types, and all tests
	$(python) -m pytest --numprocesses auto --dist worksteal $(ARGS)

# Nothing of the suite enters this repository: a checkout lies beside it, see CONTRIBUTING.md.
array-api: $(VENV)/.installed-dev ## run the array API suite of a checkout: SUITE=path/to/array-api-tests
	@[ -d '$(SUITE)/array_api_tests' ] || { echo "'$(SUITE)' is no checkout of the suite:" \
	  "make array-api SUITE=path/to/array-api-tests; CONTRIBUTING.md says how to get it" >&2; exit 1; }
	$(python) -m pip install --quiet --requirement '$(SUITE)/requirements.txt'
	cd '$(SUITE)' && PYTHONPATH='$(CURDIR)' ARRAY_API_TESTS_MODULE=minigrad.array_api $(abspath $(python)) -m pytest \
	  array_api_tests --xfails-file '$(CURDIR)/tests/array_api_exceptions.txt' --max-examples 100 --derandomize \
	  --disable-deadline --numprocesses auto -p no:cacheprovider --quiet $(ARGS)

lint: $(VENV)/.installed-dev ## check style and common mistakes (ruff)
	$(python) -m ruff check .

types: $(VENV)/.installed-dev ## check the type annotations (mypy)
	$(python) -m mypy

bench: $(if $(TORCH),$(VENV)/.installed-torch) $(VENV)/.installed ## time training steps beside NumPy and PyTorch
	@$(python) -m benchmarks steps $(ARGS)

bench-check: $(if $(TORCH),$(VENV)/.installed-torch) $(VENV)/.installed ## are they as fast as the committed results?
	@$(python) -m benchmarks check $(ARGS)

fuzz: $(if $(TORCH),$(VENV)/.installed-torch) $(VENV)/.installed-dev ## run random programs beside PyTorch
	@$(python) -m tests.fuzz $(ARGS)

mutants: $(if $(TORCH),$(VENV)/.installed-torch) $(VENV)/.installed-dev ## break every formula: do the tests notice?
	$(python) -m tests.mutants $(or $(ARGS),--out benchmarks/results/mutants.md)

# A build folder that is left over would put deleted modules into the wheel.
wheel: $(VENV)/.installed-dev ## build dist/minigrad-….whl
	rm -rf build
	$(python) -m build --wheel

clean: ## remove .venv, builds and caches
	rm -rf .venv build dist *.egg-info .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# $(call install,what is said,what pip gets): quiet, with a dot now and then as a sign of life.
define install
printf '%s ' 'Installing $(1) into $(VENV)'; \
{ while kill -0 $$$$ && sleep 2 > /dev/null; do printf .; done; } 2> /dev/null & dots=$$!; \
trap 'kill $$dots; echo' EXIT; trap 'exit 130' HUP INT TERM; \
$(python) -m pip install --quiet $(2)
endef

$(VENV)/.installed: setup.cfg pyproject.toml | venv
	@$(call install,minigrad,--editable .)
	@touch $@

$(VENV)/.installed-dev: setup.cfg pyproject.toml | venv
	@$(call install,minigrad and its development tools,--editable '.[dev]')
	@touch $(VENV)/.installed $@

# A torch that is there already is kept if the tests can use it.
$(VENV)/.installed-torch: | $(VENV)/.installed-dev
	@if ! $(python) -c 'import torch; assert torch.__version__ >= (2, 4)' 2> /dev/null; then \
	$(call install,$(TORCH) (a large download),'$(TORCH)'); fi
	@touch $@

# An environment that is there is used as it is. One that could not be finished is removed again.
venv:
	@version='import sys; print("%d.%d" % sys.version_info[:2])'; \
	asked() { $(PYTHON) -c "$$version" 2> /dev/null; }; \
	fail() { printf '%s\n' "$$@" >&2; exit 1; }; \
	if found=$$($(python) -c "import pip; $$version" 2> /dev/null); then \
	  [ '$(origin PYTHON)' = file ] || [ "$$(asked)" = "$$found" ] || \
	    fail "$(VENV) holds Python $$found, not $(PYTHON): remove it, or name another with VENV=path."; \
	  exit 0; \
	fi; \
	[ ! -e $(VENV) ] || fail '$(VENV) is no working virtual environment with pip: remove it, then try again.'; \
	asked > /dev/null || fail "'$(PYTHON)' does not run. Name a Python 3.11 or later: make … PYTHON=/path/to/python3"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  fail "minigrad needs Python 3.11 or later; '$(PYTHON)' is $$(asked). Name another: make … PYTHON=python3.12"; \
	echo "Making $(VENV) with Python $$(asked)"; \
	trap 'rm -rf $(VENV)' EXIT; trap 'exit 130' HUP INT TERM; \
	$(PYTHON) -m venv $(VENV) || \
	  fail "'$(PYTHON)' could not make a virtual environment. If venv or ensurepip is what is missing: on Debian and" \
	       "Ubuntu, install the package python3-venv (or python$$(asked)-venv), then try again."; \
	trap - EXIT
