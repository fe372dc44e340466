# opsmgr.recovery: what a person types. `make` alone lists it.
#
# Everything it makes is in .venv (programs), .build (caches, results, the collection's link) and .lab (a running lab).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# A name like python3.12; without one it is the newest from 3.11 to 3.14 that is there (tests/tools/python).
PYTHON ?=
# Tests wait, those against the lab more than they compute: for services that start, and for answers.
JOBS ?= 4
LAB_JOBS ?= 6
TOPOLOGY ?= odyssey
SCENARIO ?= failover
MODE ?= planned
PYTEST_ARGS ?=
SANITY_ARGS ?=
MATRIX_ARGS ?=
FRESH_ARGS ?=
METRICS_ARGS ?=
LINT_ARGS ?=
MUTANTS_ARGS ?= --count 20 plugins/plugin_utils/plans

export PYTHON
# Ansible wants UTF-8, whatever the machine says; every Debian has this one.
export LC_ALL := C.UTF-8
# What images of CI set for their own logs: with the first, Python reads a module that Ansible hands it byte by byte;
# without byte code, each start of the lab compiles it.
unexport PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE
bin := $(CURDIR)/.venv/bin
run := env -u MAKEFLAGS -u MAKELEVEL PATH="$(bin):$$PATH" PYTHONPATH=tests ANSIBLE_CONFIG="$(CURDIR)/ansible.cfg"
lab := $(run) python -m lab

.PHONY: help setup browser drill lab lab-dump lab-log lab-down test lint sanity unit integration soak matrix fresh bench pictures metrics mutants docs importer build release clean

help:  ## what there is
	@sed -nE 's/^([a-z-]+):.*##/\1/p' Makefile | while read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup:  ## the programs this checkout needs, in .venv; as root also the system packages
	@tests/tools/setup

browser: setup
	@tests/tools/system_packages browser

drill: setup  ## lose the RMS and recover; SCENARIO=failover, failback, cluster, no-key; MODE=planned, disaster
	@$(run) python -m lab.drill --scenario "$(SCENARIO)" --mode "$(MODE)"

lab: setup  ## a management group to play with, in the background; TOPOLOGY=odyssey
	@$(lab) up --topology "$(TOPOLOGY)" --directory .lab

lab-dump: setup  ## its whole state, as JSON
	@$(lab) dump --directory .lab

lab-log: setup  ## what its recorder saw, as JSON lines
	@$(lab) log --directory .lab

lab-down: setup  ## end it
	@$(lab) down --directory .lab

test: browser  ## everything that must hold before a change lands
	@$(MAKE) --jobs=3 --output-sync=target TOGETHER=yes lint sanity unit
	@$(MAKE) integration

lint: setup  ## ansible-lint, yamllint, documentation, changelog, workflows, ruff, mypy
	@$(run) tests/tools/lint $(LINT_ARGS)

sanity: setup  ## every test of ansible-test sanity, none ignored
	@$(run) tests/tools/sanity $(SANITY_ARGS)

unit: browser  ## tests without a lab
	@$(run) python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS) tests/unit

integration: browser  ## tests against the lab
	@$(run) python -m pytest -n $(LAB_JOBS) --dist worksteal -m "not soak" $(PYTEST_ARGS) tests/integration

soak: browser  ## long tests against the lab
	@$(run) python -m pytest -n $(LAB_JOBS) --dist worksteal -m soak $(PYTEST_ARGS) tests/integration tests/soak

matrix: setup  ## unit tests and drills with each ansible-core since 2.16; as root also on fresh systems
	@$(run) tests/tools/matrix $(MATRIX_ARGS)
	@if [ "$$(id -u)" = 0 ] && [ -z "$(MATRIX_ARGS)" ]; then $(run) python tests/tools/fresh; fi

fresh:  ## minimal Debian and Ubuntu systems, as root; FRESH_ARGS='--drill-only debian-13'
	@$(run) python tests/tools/fresh $(FRESH_ARGS)

mutants: setup  ## small changes to the plugins that no unit test notices; MUTANTS_ARGS='--count 20 --seed 2 PATH'
	@$(run) python tests/tools/mutants $(MUTANTS_ARGS)

bench: setup  ## measured numbers: requests and bytes per module
	@$(run) python -m pytest -s $(PYTEST_ARGS) tests/bench

metrics: setup  ## how long and how tangled roles and plugins are; METRICS_ARGS='--compare HEAD~20'
	@$(run) tests/tools/metrics $(METRICS_ARGS)

pictures: setup  ## make the pictures in docs/pictures again, from real runs
	@$(run) tests/tools/pictures

docs: browser  ## the documentation site, in .build/docs/html; a link that leads nowhere is a failure
	@$(run) tests/tools/docs

importer: setup  ## what Galaxy's importer says of the tarball
	@$(run) tests/tools/importer

build: setup  ## the collection as a tarball, in .build/dist
	@$(run) tests/tools/build

release: setup  ## fold the changelog for the version in galaxy.yml, and build (RELEASING.md)
	@$(run) tests/tools/release
	@$(run) tests/tools/importer
	@$(run) tests/tools/build

clean:  ## remove .venv and .build; a running lab is ended first
	@if [ -e .lab/lab.json ] && [ -x .venv/bin/python ]; then $(lab) down --directory .lab; fi
	@rm -rf .venv .build .lab

# One after the other, in the order written, also under -j; the parts of `make test` alone know of each other.
ifndef TOGETHER
.NOTPARALLEL:
endif
