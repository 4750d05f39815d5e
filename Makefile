# make demo and make test each work as the first command typed: all they need is
# Python >= 3.11 with pip, make and a network.

VENV ?= .venv
VENV313 ?= $(VENV)-313
NT ?= $(VENV)-nt
WORKERS ?= 2
BIN = $(VENV)/bin
STAMP = $(VENV)/installed
LOCK = pyproject.toml constraints.txt src/nneft/_version.py

# Each process keeps to one core, so that two workers mean two cores.
ONE_CORE = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'

# A name on PATH may be a shim that fails: a candidate counts only once it has run.
RUNS_311 = -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
RUNS_313 = -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))'
PYTHONS = $(PYTHON) python3.11 python3.12 python3.13 python3 python
PYTHONS_313 = $(PYTHON) python3.13 python3 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13*/bin/python3.13
FAST_TESTS = tests/test_house.py tests/cli

.PHONY: setup demo test lint types imports pytest test-slow test-313 smoke bench clean

setup: $(STAMP)

$(STAMP): $(LOCK)
	@python=; for p in $(PYTHONS); do \
	  if $$p $(RUNS_311) 2>/dev/null; then python=$$p; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "setup: Python 3.11 or newer with venv and pip is needed; none of: $(PYTHONS)" >&2; \
	  exit 1; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "setup: $(VENV) with $$($$python -V)"; $$python -m venv --clear $(VENV); }
	$(BIN)/python $(INSTALL)
	@touch $@

demo: setup
	$(BIN)/nneft reproduce

test: lint types imports pytest test-313

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

pytest: setup
	$(ONE_CORE) $(BIN)/python -m pytest -n $(WORKERS)

test-slow: setup
	$(ONE_CORE) $(BIN)/python -m pytest -n $(WORKERS) -m slow

# A smoke test of a second Python: it installs, imports and passes the fast tests.
test-313: setup
	@python=; for p in $(PYTHONS_313); do \
	  if $$p $(RUNS_313) 2>/dev/null; then python=$$p; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "test-313: skipped, no working python3.13 on this machine"; \
	elif $(BIN)/python $(RUNS_313); then \
	  echo "test-313: skipped, $(VENV) is Python 3.13 already"; \
	else \
	  $(MAKE) --no-print-directory VENV=$(VENV313) PYTHON=$$python smoke; \
	fi

smoke: setup
	$(ONE_CORE) $(BIN)/python -m pytest -q -n $(WORKERS) $(FAST_TESTS)

bench: setup
	-@$(MAKE) --no-print-directory $(NT)/installed
	NEURAL_TANGENTS_PYTHON=$(NT)/bin/python $(BIN)/python benchmarks/run.py

# What the benchmark compares with needs an older NumPy: an environment of its own.
$(NT)/installed: benchmarks/neural_tangents/requirements.txt
	$(BIN)/python -m venv --clear $(NT)
	$(NT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

clean:
	rm -rf $(VENV) $(VENV313) $(NT) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
