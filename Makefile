# Everything happens in .venv, which is made anew when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench

.PHONY: help example test lint audit test-live coverage neighbours matrix fuzz mutants bench messages docs drawings screenshots build release-check clean

help:
	@echo "make example       run the example site, with no service and no token needed"
	@echo "make test          run the tests"
	@echo "make lint          check style, types, and which module imports which"
	@echo "make audit         ask whether anything that is installed has a known vulnerability"
	@echo "make coverage      run the tests, and fail where a line or a branch was not run"
	@echo "make neighbours    run the tests with the apps that are often put on top of a storage"
	@echo "make matrix        run the tests on every supported Python and Django"
	@echo "make fuzz          look for input that breaks it, for ten minutes, or SECONDS=60"
	@echo "make mutants       change the code, a little at a time, and see whether a test notices; hours"
	@echo "make bench         compare with what one would use or write instead; twenty minutes"
	@echo "make test-live     run the contract against the real service; needs GM_TOKEN"
	@echo "make messages      collect the texts for the translators, and compile what they wrote"
	@echo "make docs          build the manual into build/docs/; a warning is an error"
	@echo "make drawings      draw docs/images/*.svg from the contracts and docstrings they show"
	@echo "make screenshots   take docs/images/*.png of the example site; needs chromium"
	@echo "make build         build the wheel and the sdist into dist/"
	@echo "make release-check check that what is committed may be released; half a minute"

example: $(VENV)/example
	@exec $(BIN)/python example_project/run.py

test: $(VENV)/dev
	PYTHONDEVMODE=1 $(BIN)/python -m pytest -n 4 --dist loadgroup

coverage: $(VENV)/dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 4 -m "not live and not browser" --ignore=tests/workers --ignore=tests/manual
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

neighbours: $(VENV)/neighbours
	PYTHONDEVMODE=1 $(BIN)/python -m pytest tests/neighbours --ds=tests.neighbours.settings --no-migrations

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/bandit --quiet --recursive django_groupme_images
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy
	cd tests/typed && ../../$(BIN)/mypy && ../../$(BIN)/pyright --pythonpath ../../$(BIN)/python

# Asks the Python Packaging Advisory Database what is known of each package.
audit: $(VENV)/audit
	mkdir -p build
	$(BIN)/python -m pip freeze --exclude-editable >build/installed.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement build/installed.txt

matrix: $(VENV)/dev
	$(BIN)/tox run

SECONDS = 600
fuzz: $(VENV)/fuzz
	$(BIN)/python -m fuzz --seconds $(SECONDS)

mutants: $(VENV)/mutants
	$(BIN)/python -m mutants

# What it is compared with is installed anew each time, because it is to be what is current today.
# TOPICS="tags parsing" measures those alone, and keeps no results.
bench:
	test -d $(BENCH) || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable . --group bench
	# It asks for requests 2.20, of 2018, and works with the one that is there.
	$(BENCH)/bin/python -m pip install --quiet --upgrade --no-deps GroupyAPI
	$(BENCH)/bin/python -m benchmarks $(TOPICS)

test-live: $(VENV)/dev
	$(BIN)/python -m pytest -m live tests/contract

LOCALE := -D django -d django_groupme_images/locale
messages: $(VENV)/dev
	mkdir -p build
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location --sort-output -o build/django.pot .
	$(BIN)/pybabel -q update $(LOCALE) -i build/django.pot --no-fuzzy-matching --ignore-pot-creation-date --ignore-obsolete
	$(BIN)/pybabel -q compile $(LOCALE)

docs: $(VENV)/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs

drawings: $(VENV)/example
	$(BIN)/python -m docs.drawings

screenshots: $(VENV)/dev
	$(BIN)/python docs/screenshots.py

build: $(VENV)/dev
	$(BIN)/python -m build

# UNRELEASED=allowed between two releases, when the changelog has what the next will bring.
release-check: $(VENV)/release
	$(BIN)/python -m release check $(if $(UNRELEASED),--allow-unreleased)

clean:
	rm -rf $(VENV) $(BENCH) .tox dist build .coverage* example_project/data

# What the example site needs is the app itself; what the tests need is more.
$(VENV)/example: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make example PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/dev: $(VENV)/example
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/audit $(VENV)/docs $(VENV)/fuzz $(VENV)/mutants $(VENV)/neighbours $(VENV)/release: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --group $(@F)
	@touch $@
