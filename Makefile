# All commands use .venv, and install only the packages that they need. If pyproject.toml has
# changed, the packages are installed again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
# This uses one process for each core.
PYTEST := PYTHONDEVMODE=1 $(BIN)/python -m pytest -n auto

.PHONY: help example test test-browser test-workers test-pages test-live lint types audit coverage integrations django-suite matrix fuzz mutants bench messages docs screenshots build release-check clean
.NOTPARALLEL: # Two commands must not install packages at the same time.

help:
	@echo "make example       run the example site with an emulator of the image service"
	@echo "make test          run the tests"
	@echo "make test-browser  run the tests in Chromium"
	@echo "make test-workers  run the tests with PostgreSQL and Redis servers, and gevent"
	@echo "make test-pages    run the code blocks of the documentation"
	@echo "make lint          check style, security, and imports"
	@echo "make types         check types with mypy and pyright"
	@echo "make audit         check the installed packages for known vulnerabilities"
	@echo "make coverage      run the tests, and fail unless all lines and branches are covered"
	@echo "make integrations  run the tests with third-party apps"
	@echo "make django-suite  run Django's own tests of ImageField with GroupMeImageField"
	@echo "make matrix        run the tests with all supported versions of Python and Django"
	@echo "make fuzz          fuzz the parsers for ten minutes, or for SECONDS=60"
	@echo "make mutants       run mutation tests, which takes hours"
	@echo "make bench         run the benchmarks, and update docs/benchmarks.md"
	@echo "make test-live     test the real image service; requires GM_TOKEN"
	@echo "make messages      extract and compile the translations"
	@echo "make docs          build the documentation into build/docs/; warnings are errors"
	@echo "make screenshots   take the screenshots in docs/images/; requires Chromium"
	@echo "make build         build the wheel and the sdist into dist/"
	@echo "make release-check check the commit, the wheel, and the sdist of a release"
	@echo "make clean         remove .venv and all generated files"

example: $(VENV)/example
	@exec $(BIN)/python example_project/run.py

test: $(VENV)/test
	$(PYTEST)

# One process, because each starts its own browser.
test-browser: $(VENV)/test $(VENV)/browser
	PYTHONDEVMODE=1 $(BIN)/python -m pytest tests/forms/browser

# One process, because PostgreSQL creates a user of the system when it is first started as root.
test-workers: $(VENV)/test $(VENV)/workers
	PYTHONDEVMODE=1 $(BIN)/python -m pytest tests/bulk/workers

test-pages: $(VENV)/test $(VENV)/pages
	$(PYTEST) tests/project/manual

coverage: $(VENV)/test
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

integrations: $(VENV)/test $(VENV)/integrations
	PYTHONDEVMODE=1 $(BIN)/python -m pytest tests/integrations --ds=tests.integrations.settings --no-migrations

# This downloads Django's sdist into build/django-suite/ if it does not exist yet.
django-suite: $(VENV)/test
	PYTHONDEVMODE=1 $(BIN)/python -m tests.django_suite

lint: $(VENV)/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/bandit --quiet --recursive django_groupme_images
	$(BIN)/lint-imports --no-logo --no-cache

types: $(VENV)/test $(VENV)/types
	$(BIN)/mypy
	cd tests/project/typed && ../../../$(BIN)/mypy && ../../../$(BIN)/pyright --pythonpath ../../../$(BIN)/python

# pip-audit uses the Python Packaging Advisory Database.
audit: $(addprefix $(VENV)/,audit browser docs lint matrix pages release test types workers)
	mkdir -p build
	$(BIN)/python -m pip freeze --exclude-editable >build/installed.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement build/installed.txt

matrix: $(VENV)/matrix
	$(BIN)/tox run

SECONDS = 600
fuzz: $(VENV)/test $(VENV)/fuzz
	$(BIN)/python -m tools.fuzz --seconds $(SECONDS)

mutants: $(VENV)/test $(VENV)/mutants
	$(BIN)/python -m tools.mutants

# This installs the newest versions of the packages to compare. With TOPICS="tags parsing", it
# measures only these topics, and does not save the results.
bench:
	test -d $(BENCH) || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable . --group bench
	# These require old versions of requests and httpx, but work with current versions. The old
	# version of httpx does not work with Python 3.14.
	$(BENCH)/bin/python -m pip install --quiet --upgrade --no-deps GroupyAPI groupme-bot
	$(BENCH)/bin/python -m tools.benchmarks $(TOPICS)

test-live: $(VENV)/test
	$(BIN)/python -m pytest -m live tests/emulator/contract

LOCALE := -D django -d django_groupme_images/locale
messages: $(VENV)/test
	mkdir -p build
	$(BIN)/pybabel -q extract -F pyproject.toml -k ngettext_lazy:1,2 --no-location --sort-output -o build/django.pot .
	$(BIN)/pybabel -q update $(LOCALE) -i build/django.pot --no-fuzzy-matching --ignore-pot-creation-date --ignore-obsolete
	$(BIN)/pybabel -q compile $(LOCALE)

docs: $(VENV)/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs
	$(BIN)/python -m tools.search_check build/docs/searchindex.js

screenshots: $(VENV)/test $(VENV)/browser
	$(BIN)/python tools/screenshots.py

build: $(VENV)/release
	$(BIN)/python -m build

# UNRELEASED=allowed accepts entries under "Unreleased" in the changelog; TAG=v1.2.3 checks a tag.
release-check: $(VENV)/release
	@git diff --exit-code HEAD && ! git ls-files --others --exclude-standard | grep . || \
		{ echo "Commit or remove these changes."; exit 1; }
	$(BIN)/python -m tools.release_check $(if $(UNRELEASED),--allow-unreleased) $(if $(TAG),--tag $(TAG))
	$(BIN)/check-sdist --installer pip
	rm -rf build/release
	$(BIN)/python -m build --outdir build/release
	$(BIN)/check-wheel-contents build/release
	$(BIN)/twine check --strict build/release/*
	for file in build/release/*; do $(BIN)/tox run --recreate -e installed --installpkg $$file || exit 1; done

clean:
	rm -rf $(VENV) $(BENCH) .tox dist build .coverage* example_project/data

$(VENV)/example: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed. Add PYTHON=python3.14 to the command.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[heif]"
	@touch $@

# Each of these files marks the packages of a dependency group as installed.
$(VENV)/%: $(VENV)/example
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@
