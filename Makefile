# Each target is a whole job, set-up included. `make` alone lists them.
PYTHON ?= python3
RUN = .venv/bin/python

.PHONY: help sentiment test check slow sweep audit notebooks notebooks-run gpu-check bench clean

help:                    ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sentiment: .venv/ready   ## train, evaluate, export and answer on the bundled sample
	$(RUN) -m zoo.tasks.sentiment

test: .venv/ready        ## the fast tests, in under six minutes
	$(RUN) -m pytest -m "not slow and not sweep" -n 2

check: .venv/ready       ## style, types, secrets, and whether the results table is current
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m detect_secrets.pre_commit_hook --exclude-lines '"commit": "[0-9a-f]{12}"|"image/png": "' $$(git ls-files)
	$(RUN) -m zoo.report --check

slow: .venv/ready        ## the notebooks and the slow tests, in under an hour
	$(RUN) -m pytest -m "slow and not sweep" -n 2

sweep: .venv/ready       ## hostile input by the hundred thousand, and every task on JAX: some 30 minutes
	$(RUN) -m pytest -m sweep

audit: .venv/ready       ## known vulnerabilities in dependencies; fails too if the database cannot be reached
	$(RUN) -m pip install --quiet --constraint constraints.txt pip-audit
	$(RUN) -m pip_audit --strict --disable-pip --no-deps --requirement constraints.txt

notebooks: .venv/ready   ## open JupyterLab on the notebooks
	$(RUN) -m pip install --quiet -e '.[notebooks]'
	$(RUN) -m jupyterlab notebooks

notebooks-run: .venv/ready    ## execute the notebooks in place, with their outputs
	TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/jupyter-execute --inplace --timeout=900 notebooks/*.ipynb

gpu-check: .venv/ready   ## compare the accelerator, if there is one, with the CPU: results and speed
	$(RUN) -m benchmarks.gpu_check

bench: .venv/ready .bench/torch/ready .bench/joeynmt/ready   ## measure speed beside other libraries: make bench ARGS="--only core --quick"
	$(RUN) -m benchmarks --torch .bench/torch/bin/python --joeynmt .bench/joeynmt/bin/python $(ARGS)

.bench/%/ready: benchmarks/requirements-%.txt
	$(PYTHON) -m venv .bench/$*
	.bench/$*/bin/python -m pip install --quiet --requirement $<
	touch $@

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:                   ## remove the environments and the tools' caches
	rm -rf build dist *.egg-info .venv .bench .pytest_cache .mypy_cache .ruff_cache
