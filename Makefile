# Commands of the checkout. `make run` and `make test` make .venv themselves; PYTHON=... chooses what it is made from.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run kafka run-kafka run-pulsar compiled plain test mutants fuzz lint bench bench-quick docs pictures lock packages wheel repo sbom clean

# Debian's own python3 is a third faster than most self-built ones, so it is taken where it is new enough and complete.
PYTHON ?= $(shell if /usr/bin/python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo /usr/bin/python3; else echo python3; fi)
PIP := .venv/bin/python -m pip --disable-pip-version-check --no-input
# What is installed is what packaging/locks/ has the hashes of, and nothing else; `make lock` writes them.
INSTALL := $(PIP) install --quiet --require-hashes
LOCKS := packaging/locks
VERSION_FILES := setup.py pyproject.toml requirements.txt requirements-console.txt requirements-pulsar.txt \
	streamdns/__init__.py \
	packaging/pykafka_wheel.py $(LOCKS)/build.txt $(LOCKS)/runtime.txt $(LOCKS)/source.txt

help:
	@echo 'make run     start streamdns with an example zone on 127.0.0.1:8053 (Ctrl-C ends it)'
	@echo 'make run-kafka  the same through a Kafka topic: starts a broker, too; needs java and mvn'
	@echo 'make run-pulsar the same through a topic of Pulsar'
	@echo 'make kafka   start a Kafka broker with a topic, to play with (KAFKA=3.9.2 or 4.4.0)'
	@echo 'make test    run every test that this machine can run'
	@echo 'make compiled  compile what answers and events go through, for run and bench: Debian needs gcc libc6-dev python3-dev'
	@echo 'make plain   remove what is compiled: all runs in Python alone again'
	@echo 'make lint    ruff and mypy --strict'
	@echo 'make mutants change the code in small ways and see that a test fails each time; takes hours'
	@echo 'make fuzz    mutated packets, replies, events and requests for a minute; FUZZ="--runs=10000000" for more'
	@echo 'make bench   measure everything beside other servers, which root gets from apt; BENCH=kinds for one, six minutes'
	@echo 'make bench-quick  count what a reply and an event of each kind takes, and compare with the figures kept'
	@echo 'make docs    write the generated pages of docs/ again'
	@echo 'make pictures  take the pictures of docs/console.md from a running node'
	@echo 'make packages  build the deb and the rpm in dist/; needs Debian 12'
	@echo 'make wheel   build the compiled wheel in dist/, for CPython 3.11 and glibc 2.36 or newer; needs Debian 12'
	@echo 'make repo    lay them out in dist/repository for apt and dnf, signed: KEY=packages@example.org'
	@echo 'make sbom    list what they consist of, in CycloneDX'
	@echo 'make lock    look up the hashes of what requirements*.txt name, for packaging/locks/'
	@echo 'make clean   remove .venv, ./var and everything else that was made here'

# setuptools is installed first, and builds what comes as source: it is pinned like everything else.
.venv/runtime: $(VERSION_FILES)
	@command -v "$(PYTHON)" >/dev/null || { echo 'streamdns needs Python 3.11 or newer: apt install python3 python3-venv'; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "streamdns needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1)"; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null \
	    || { echo "streamdns needs Python's venv module: apt install python3-venv"; exit 1; }
	@echo 'making .venv'
	@.venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv
	@$(INSTALL) -r $(LOCKS)/build.txt
	@$(INSTALL) --no-build-isolation --use-pep517 -r $(LOCKS)/runtime.txt
	@.venv/bin/python packaging/pykafka_wheel.py
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

# requirements-api.txt has the tests' tools, and schemathesis with all that it needs.
.venv/tools: .venv/runtime $(LOCKS)/tools.txt
	@$(INSTALL) --no-build-isolation --use-pep517 -r $(LOCKS)/tools.txt
	@touch $@

# requirements-mutants.txt has mutmut, which only this needs.
.venv/mutants: .venv/tools $(LOCKS)/mutants.txt
	@$(INSTALL) --no-build-isolation --use-pep517 -r $(LOCKS)/mutants.txt
	@touch $@

# requirements-fuzz.txt has atheris, which only this needs.
.venv/fuzz: .venv/tools $(LOCKS)/fuzz.txt
	@$(INSTALL) --no-build-isolation --use-pep517 -r $(LOCKS)/fuzz.txt
	@touch $@

# requirements-lock.txt has uv, which looks up hashes for every kind of machine; only this needs it.
.venv/lock: .venv/runtime $(LOCKS)/lock.txt
	@$(INSTALL) -r $(LOCKS)/lock.txt
	@touch $@

# requirements-compile.txt has Cython and mypyc, which only this needs. Where nothing can be compiled, all goes on in
# Python alone. This compiles the modules in Cython, in seconds; `make compiled` all that is compiled in a package.
.venv/compiled: .venv/runtime $(wildcard streamdns/*/*.pyx) packaging/compiled.py $(LOCKS)/compile.txt
	@.venv/bin/python packaging/compiled.py || true
	@touch $@

compiled: .venv/runtime
	@.venv/bin/python packaging/compiled.py --all
	@touch .venv/compiled

plain: .venv/runtime
	@find streamdns -name '*.so' -delete
	@rm -rf build/compiled
	@touch .venv/compiled

lock: .venv/lock
	@.venv/bin/python packaging/lock.py

run: .venv/runtime .venv/compiled
	@exec sh examples/run.sh

kafka: .venv/tools
	@exec .venv/bin/python -m tests.harness.kafka_manual $(KAFKA)

run-kafka: .venv/tools .venv/compiled
	@exec .venv/bin/python -m tests.harness.kafka_manual --run $(KAFKA)

run-pulsar: .venv/tools .venv/compiled
	@exec .venv/bin/python -m tests.harness.pulsar_manual

# More than there are processors: most tests wait for servers. JOBS=2 where brokers and networks run beside them.
JOBS ?= 3
test: .venv/tools .venv/compiled
	@.venv/bin/python -m pytest --quiet -rsR --durations=10 --numprocesses=$(JOBS) --dist=loadfile

# All of them take hours: MUTANTS='resolver' names a group of modules, MUTANTS='--sample --seconds=85' plays a few.
mutants: .venv/mutants
	@exec .venv/bin/python -m tests.mutants $(MUTANTS)

# A minute by default, each target its share: FUZZ='--runs=10000000', FUZZ='replies events --seconds=600', FUZZ=--keep.
fuzz: .venv/fuzz
	@exec .venv/bin/python -m tests.fuzz $(FUZZ)

lint: .venv/tools
	@.venv/bin/ruff check .
	@.venv/bin/mypy

bench-quick: .venv/tools
	@.venv/bin/python -m benchmarks.kinds
	@.venv/bin/python -m benchmarks.event_kinds

# What packages have is measured, where it can be compiled.
bench: .venv/tools .venv/compiled
	@.venv/bin/python packaging/compiled.py --fits || .venv/bin/python packaging/compiled.py --all || true
	@.venv/bin/python -m benchmarks.peers
	@.venv/bin/python -m benchmarks $(BENCH)

docs: .venv/runtime
	@.venv/bin/python docs/generate.py

pictures: .venv/tools
	@.venv/bin/python docs/pictures.py

packages:
	@exec bash packaging/build.sh

# requirements-wheel.txt has auditwheel, which only this needs.
wheel:
	@exec bash packaging/wheel.sh

# requirements-sbom.txt has the tool, which only this needs.
sbom:
	@exec bash packaging/sbom.sh

repo:
	@exec bash packaging/repository.sh "$(KEY)"

clean:
	rm -rf .venv var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results
	find streamdns -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
