# `make demo`: see it work. `make test`: trust it. Both make .venv first and need only Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin

# Each process would compile every module that it imports, 8 s with Lightning, where bytecode is not kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow lint ladder speed docs clean
.DEFAULT_GOAL := demo

demo: .venv/runtime
	$(BIN)/python -m atft fit --config configs/quickstart.yaml

test: .venv/dev
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

test-slow: .venv/dev
	$(BIN)/python -m pytest -m slow --timeout=3600

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q --noconftest tests/test_language.py tests/test_floors.py

ladder: .venv/dev
	$(BIN)/python benchmarks/ladder.py --out docs/pictures/ladder.png

speed: .venv/dev
	$(BIN)/python -m benchmarks

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "the site is in site/; to read it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site"

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "atft needs Python >= 3.11; run: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q --no-compile -e '.[baselines]' -c constraints.txt
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q --no-compile -e '.[dev]' -c constraints.txt
	@touch $@ .venv/runtime

.venv/docs: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q --no-compile -e '.[docs]' -c constraints.txt
	@touch $@ .venv/runtime

clean:
	rm -rf .venv site cache .pytest_cache .mypy_cache .ruff_cache
