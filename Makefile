# make run    everything from nothing: virtual environment, PostgreSQL, schema, sample, refreshed views, Dagster UI
# make test   the test suite on a real PostgreSQL
# make bench  this schema against the original, v1 and v2, with a million trades; bench-large: with 7 million
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

DBT := dpm_assets/bench/dbt_project/constraints.txt

.PHONY: install run bench bench-large test test-sql test-mutations e2e check format columns docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, this is " + sys.version.split()[0] + ". Set PYTHON=...") if sys.version_info < (3, 10) else None'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'This Python cannot make virtual environments: install its venv package (Debian: apt install python3-venv).' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

run: install
	$(BIN)/dpm up --sample

bench: install
	$(BIN)/dpm bench --trades 1000000 --size 250000 --rounds 5 --seconds 2 --throughput-seconds 1

bench-large: install
	$(BIN)/dpm bench --trades 7000000 --size 1000000 --rounds 7 --seconds 3 --throughput-seconds 3 --folder .dpm/bench-large

# dbt, to be compared with, has pins of its own and so an environment of its own.
.venv-dbt: $(DBT)
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(DBT) dbt-core dbt-postgres

test: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# Those tests that rest on what PostgreSQL does; DPM_TEST_PG_BIN names the binaries of another than the embedded one. Mutations
# and kills are left out: the former prove the tests, which are the same, and the latter are at the same steps.
test-sql: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "sql and not mutation and not kill"

# The proof of the proof (part of `make test` too): each mechanism that keeps the refresh exact, and each guard of the
# archive, is switched off in a database, and the tests that guard it have to fail.
test-mutations: install
	$(BIN)/python -m pytest -m mutation

# The UI in Debian's Chromium, against the whole service; DPM_SCREENSHOTS=1 refreshes the pictures in docs/images.
e2e: install
	$(BIN)/python -m pytest -n 0 -m e2e tests/test_ui.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/squawk sql/migrations/*.sql sql/migrations/parts/in_place.sql sql/migrations/parts/back_*.sql

# Also writes the offline migrations anew from the files of the schema.
format: install
	$(BIN)/python -m dpm_assets.schema.frozen
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The reference from the program and the schema, then the site in site/; a link that leads nowhere is an error.
docs: install
	$(BIN)/python -m dpm_assets.reference
	$(BIN)/python -m mkdocs build --strict --quiet -f docs/mkdocs/mkdocs.yml

# What the graph says of columns, written anew from the catalogue of a database that has the schema.
columns: install
	DPM_WRITE_COLUMNS=1 $(BIN)/python -m pytest -n 0 tests/test_columns.py -k the_catalogue_says

clean:
	rm -rf site $(VENV) .venv-dbt .mypy_cache .ruff_cache .pytest_cache .hypothesis
