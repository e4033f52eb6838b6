# Twinpane. `make demo` and `make test` do all the set-up themselves.
PORT ?= 8000
MINUTES ?= 60
DEMO ?= .demo
BIN := .venv/bin
STAMP := .venv/.set-up
TOGETHER := tests/unit tests/questions tests/reference tests/redteam/broker
ALONE := tests/integration
AGAINST := tests/redteam tests/browser
COVER := --cov --cov-report=

export PYTHON

.PHONY: help setup demo check test lint types coverage bench redteam clean

help:
	@echo "make demo [PORT=8000] [DEMO=.demo]  hub, three sites and their data on this machine"
	@echo "make check                          lint, format, types and the quick unit tests, in 2 minutes"
	@echo "make test                           lint and all tests, in 40 minutes, and what they cover"
	@echo "make bench                          speed, side by side with plain Jupyter"
	@echo "make redteam [MINUTES=60]           leaks by a generator, and what times of messages tell, at length"
	@echo "make lint                           ruff only: rules and format"
	@echo "make types                          mypy, strict"
	@echo "make setup                          what the others call first"
	@echo "make clean                          remove .venv, node_modules and caches (the demo's state in $(DEMO) stays)"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml package.json package-lock.json $(wildcard hub_config/setup/*) \
		$(wildcard kernels/twinpane_kernel/install.py kernels/twinpane_kernel/kernelspec/*)
	@sh hub_config/setup/setup.sh
	@touch $@

demo: setup
	@exec $(BIN)/twinpane demo --dir $(DEMO) --port $(PORT)

check: lint types
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow" tests/unit

test: lint types
	@sh hub_config/setup/test-servers.sh
	@$(BIN)/coverage erase
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(COVER) $(TOGETHER)
	@$(BIN)/python -m pytest $(ALONE)
	@$(BIN)/python -m pytest $(AGAINST) --ignore tests/redteam/broker
	@$(MAKE) --no-print-directory coverage

coverage: setup
	@$(BIN)/python -m tests.floors

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types: setup
	@$(BIN)/mypy

bench: setup
	@$(BIN)/python -m tests.bench

redteam: setup
	@PYTHONPATH=tests $(BIN)/python -m redteam --minutes $(MINUTES)

clean:
	rm -rf .venv node_modules .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
