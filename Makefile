# What people type. `make demo` and `make test` need nothing but a Debian machine with root (or the tools that they name).
SHELL := /bin/bash
export CAISSON_HOME ?= $(HOME)/.cache/caisson
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
PACKAGES := operator:workloads/sdk:workloads/cli:workloads:workloads/postgres:workloads/redis:workloads/zookeeper
WITH_TOOLS = eval "$$(tests/kind/env)" &&
# Who watches a cluster on the same machine must not take the processor from it.
ASIDE = nice -n 10
ONLY ?=

$(shell mkdir -p build)
.DEFAULT_GOAL := help
.PHONY: help demo test check unit postgres coordination api e2e bench up down generate lock format

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/ready ## the main job on real flights: expand under live traffic, then lose a primary
	tests/kind/up
	$(WITH_TOOLS) $(ASIDE) $(PYTHON) tests/demo/run

test: check postgres coordination api e2e ## every test there is, kind included

check: .venv/ready ## without a cluster: format, lint, types, imports, unit, sim, generated files, chart
	tests/kind/tools client
	$(PYTHON) -m ruff format --check operator workloads tests
	$(PYTHON) -m ruff check operator workloads tests
	$(PYTHON) -m mypy operator/caisson_operator workloads/sdk/caisson workloads/cli/kubectl_caisson workloads/flights \
	  workloads/postgres/early_expiry workloads/postgres/*.py workloads/redis/epoch_agent workloads/redis/redis_member workloads/zookeeper/zookeeper_member \
	  tests tests/demo/run tests/kind/missing-layers
	PYTHONPATH=$(PACKAGES) .venv/bin/lint-imports
	$(PYTEST) tests/unit tests/sim -q
	$(MAKE) --no-print-directory generate
	git diff --exit-code --stat -- crds charts docs/reference
	$(WITH_TOOLS) helm lint --strict --quiet charts/caisson

postgres: .venv/ready ## against real local PostgreSQL clusters, without Kubernetes
	tests/postgres/install
	$(PYTEST) tests/postgres -q

coordination: .venv/ready ## locks and ids on real Redis, ZooKeeper and PostgreSQL servers, without Kubernetes
	tests/postgres/install
	tests/coordination/install
	$(PYTEST) tests/coordination -q

api: .venv/ready ## against a real kube-apiserver and etcd, without nodes
	tests/kind/tools client apiserver
	$(WITH_TOOLS) $(PYTEST) tests/api -q

e2e: .venv/ready ## on kind; ONLY=expression picks tests; the cluster stays up
	tests/kind/up
	$(WITH_TOOLS) $(ASIDE) $(PYTEST) tests/e2e -q $(if $(ONLY),-k "$(ONLY)")

bench: .venv/ready ## measurements into build/bench; ONLY=name picks one (coordination: ACQUISITIONS=100000; failover: ROUNDS=10 FAULTS="pod_killed ..."; moving: ROUNDS=10)
	tests/postgres/install
	tests/coordination/install
	$(WITH_TOOLS) PYTHONPATH=$(PACKAGES):tests $(PYTHON) -m bench $(ONLY)

up: ## a three-node kind cluster
	tests/kind/up

down: ## the cluster away; caches stay
	tests/kind/down

generate: .venv/ready ## definitions, reference and install manifest from the models and the chart
	tests/kind/tools client
	PYTHONPATH=operator $(PYTHON) -m caisson_operator.api.generate crds charts/caisson/files/crds
	PYTHONPATH=operator $(PYTHON) -m caisson_operator.api.reference docs/reference
	$(WITH_TOOLS) charts/render > build/install.yaml && mv build/install.yaml charts/install.yaml

.venv/ready: tests/requirements.lock
	tests/kind/python .venv tests/requirements.lock
	touch $@
