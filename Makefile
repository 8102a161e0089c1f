# Each target brings what it needs: uv and a virtual environment of its own; `test`, `live` and `chaos` also the
# system packages (real Slurm, MariaDB for its accounting, PostgreSQL), with apt where they may.
.DEFAULT_GOAL := help
.PHONY: help demo test check live chaos vopr fuzz bench bench-placement docs format clean

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen --no-sync
PYTEST := $(RUN) pytest

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

demo: .venv/ready  ## Run the main job: two sites, real AI jobs, the verified books (KEEP=1 leaves it running)
	$(RUN) foedus demo $(if $(KEEP),--keep)

test: check system  ## Everything: checks, unit, contract and end-to-end tests, real PostgreSQL, two real Slurm clusters
	$(PYTEST) -n 4 -p no:randomly

live: .venv/ready system  ## Only what runs on two real Slurm clusters
	$(PYTEST) tests/live

chaos: .venv/ready system  ## Break every part at random while N jobs run, then compare all sources (N=500 SEED=1 MINUTES=600)
	FOEDUS_CHAOS_JOBS=$(or $(N),500) FOEDUS_CHAOS_SEED=$(or $(SEED),1) FOEDUS_CHAOS_MINUTES=$(or $(MINUTES),600) \
		$(PYTEST) -s tests/live/test_crash.py
	FOEDUS_CHAOS_CALLS=1000 $(PYTEST) tests/e2e/test_lost_replies.py

fuzz: .venv/ready  ## Ask the hub anything, and give every reader anything to read (N=100 SECONDS=60 SEED=1)
	FOEDUS_FUZZ_N=$(or $(N),100) FOEDUS_FUZZ_SEED=$(or $(SEED),1) \
	  $(PYTEST) --timeout 0 tests/contract/hub/test_hub_any_request.py tests/fuzz
	$(UV) sync --frozen --quiet --group fuzz
	for reader in $$($(RUN) python tests/fuzz/guided.py); do \
	  $(RUN) python tests/fuzz/guided.py $$reader $(or $(SECONDS),60) $(or $(SEED),1) || exit 1; \
	done

vopr: .venv/ready  ## Simulate hub, agents and clusters under faults (SEEDS=1000 FIRST=1, SEED=7 for one, BUG=NAME planted)
	PYTHONPATH=tests $(RUN) python -m vopr --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1) $(if $(SEED),--seed $(SEED)) $(if $(BUG),--bug $(BUG))

check: .venv/ready  ## Format, lint, types, layers
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) basedpyright
	$(RUN) lint-imports --no-cache

bench: .venv/ready system  ## Print the measured figures, each beside its goal (SIZE=0.01 is a quick look)
	for program in $(filter-out bench/placement.py,$(wildcard bench/*.py)); do FOEDUS_BENCH_SIZE=$(or $(SIZE),1) $(RUN) python $$program || exit 1; done

bench-placement: .venv/ready  ## Placement on eight alliances of real logs, and each of them shaken (SIZE=0.1: once; ONLY=baselines: how other rules fare; FOEDUS_TRACES names the logs)
	FOEDUS_BENCH_SIZE=$(or $(SIZE),1) $(RUN) python bench/placement.py $(ONLY)

docs: .venv/ready  ## Write the generated pages of docs/reference anew
	$(RUN) python docs/generate.py

format: .venv/ready  ## Format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

clean:  ## Remove what the targets made
	rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis .fuzz

.PHONY: system
system:
	sh tools/system-packages

.venv/ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet
	@touch $@

.tools/bin/uv:
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Foedus needs Python 3.11 or newer; this is " + sys.version)'
	python3 -m venv .tools || { echo "python3 -m venv failed: install your system's python3-venv package" >&2; exit 1; }
	.tools/bin/pip install --quiet --disable-pip-version-check uv
