# `make quickstart` and `make test` do all the set-up themselves; a second call skips it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAION := .venv-laion
# The project's models and data lie in the repository; nothing here may wait for a model hub.
export HF_HUB_OFFLINE := 1

.PHONY: quickstart test test-slow test-laion-clap lint clean

quickstart: $(READY)
	$(BIN)/python -m vibesweep sweep run sweeps/quickstart.yaml

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

# The long ones: whole sweeps, crashes, jobs, the notebook on a real sweep.
test-slow: $(READY)
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

# The other CLAP backend, in an environment of its own: it brings many packages that nothing else needs.
test-laion-clap: $(LAION)/.ready
	$(LAION)/bin/python -m pytest tests/rewards/test_laion_backend.py tests/rewards/test_laion_checkpoints.py \
	  tests/rewards/test_clap_model.py $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

define CHECK_PYTHON
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "vibesweep needs Python >= 3.11, got $$($(PYTHON) --version); call make PYTHON=python3.11" >&2; exit 2; }
endef

$(READY): pyproject.toml constraints.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(LAION)/.ready: pyproject.toml constraints.txt constraints-laion-clap.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(LAION)
	$(LAION)/bin/python -m pip install --quiet --constraint constraints.txt --constraint constraints-laion-clap.txt \
	  --editable '.[laion-clap]' hypothesis pytest pytest-timeout
	@touch $@

clean:
	rm -rf $(VENV) $(LAION) runs
