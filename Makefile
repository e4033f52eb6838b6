# Twinpane. `make demo` and `make test` do all the set-up themselves.
PORT ?= 8000
MINUTES ?= 60
DEMO ?= .demo
BIN := .venv/bin
STAMP := .venv/.set-up
TOGETHER := tests/unit tests/questions tests/reference tests/redteam/broker
ALONE := tests/integration tests/redteam tests/browser

export PYTHON

.PHONY: help setup demo test lint types bench redteam clean

help:
	@echo "make demo [PORT=8000] [DEMO=.demo]  hub, three sites and their data on this machine"
	@echo "make test                           lint and all tests"
	@echo "make bench                          speed, side by side with plain Jupyter"
	@echo "make redteam [MINUTES=60]           leaks by a generator, and what times of messages tell, at length"
	@echo "make lint                           ruff only"
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

test: setup
	@sh hub_config/setup/test-servers.sh
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TOGETHER)
	@$(BIN)/python -m pytest $(ALONE) --ignore tests/redteam/broker

lint: setup
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy

bench: setup
	@$(BIN)/python -m tests.bench

redteam: setup
	@PYTHONPATH=tests $(BIN)/python -m redteam --minutes $(MINUTES)

clean:
	rm -rf .venv node_modules .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
