# One command per habit. Each makes the environment that it needs, from pinned versions, and runs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: marathon test test-slow lint format bench bench-stiff bench-gradients bench-searches bench-samplers bench-kernels bench-scaling bench-fits bench-gpu recovery calibration population-recovery docs sbml clean

marathon: $(VENV)/run.stamp  ## simulate a marathon; look into runs/marathon/
	$(BIN)/exsim simulate configs/simulate/marathon.toml --out runs/marathon --overwrite

test: $(VENV)/test.stamp  ## the tests that every change must pass
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile --durations 20

test-slow: $(VENV)/test.stamp  ## the studies that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/lint.stamp  ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/lint.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench.stamp  ## speed of one run and of sweeps beside other programs, as ratios of one run
	$(BIN)/python benchmarks/single_run.py
	$(BIN)/python benchmarks/sweep.py

bench-stiff: $(VENV)/bench.stamp  ## stiff models as lanes beside libRoadRunner and Kvaerno5
	$(BIN)/python benchmarks/stiff.py

bench-gradients: $(VENV)/bench.stamp  ## value and gradient for fits beside AMICI, diffrax and differences
	$(BIN)/python benchmarks/gradients.py

bench-searches: $(VENV)/bench.stamp  ## searches from many starts beside optimistix and SciPy
	$(BIN)/python benchmarks/searches.py

bench-samplers: $(VENV)/bench.stamp  ## effective draws per second beside numpyro over diffrax and Stan
	$(BIN)/python benchmarks/samplers.py

bench-kernels: $(VENV)/bench.stamp  ## which sampler chains should run: numpyro, blackjax, one for many chains
	$(BIN)/python benchmarks/kernels.py

bench-scaling: $(VENV)/bench.stamp  ## speed against the number of draws, states and cores; memory
	$(BIN)/python benchmarks/scaling.py

bench-fits: $(VENV)/run.stamp  ## two published problems fitted from many starts
	$(BIN)/python benchmarks/public_fits.py

bench-gpu: $(VENV)/bench.stamp  ## lanes and the fused kernel on a GPU, checked against the CPU
	$(BIN)/python benchmarks/gpu.py

recovery: $(VENV)/run.stamp  ## whether the intervals of fits hold the truth: 17 data sets with a known one
	$(BIN)/python benchmarks/recovery.py

calibration: $(VENV)/run.stamp  ## simulation-based calibration of the sampler, and whether it finds faults
	$(BIN)/python benchmarks/calibration.py

population-recovery: $(VENV)/run.stamp  ## whether credible intervals of populations hold the truth: 13 data sets
	$(BIN)/python benchmarks/population_recovery.py

docs: $(VENV)/test.stamp  ## make the outputs and pictures shown in the docs anew
	EXSIM_UPDATE_DOCS=1 $(BIN)/python -m pytest -q -m "" tests/test_docs.py

sbml: $(VENV)/run.stamp  ## make model.xml anew from each model.ant
	for folder in models/*/; do $(BIN)/python -c "import sys, pathlib; \
		from exsim.inputs.antimony_files import antimony_to_sbml; here = pathlib.Path(sys.argv[1]); \
		text = (here / 'model.ant').read_text('utf-8'); \
		(here / 'model.xml').write_text(antimony_to_sbml(text), 'utf-8')" $$folder; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e ".[test]"
	touch $@

$(VENV)/lint.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e ".[lint,test]"
	touch $@

$(VENV)/bench.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e ".[benchmark]"
	-$(PIP) install --quiet -c constraints.txt -e ".[benchmark-lsoda]" || echo "numbalsoda is left out: no Fortran compiler"
	-$(PIP) install --quiet -c constraints.txt -e ".[benchmark-stan]" || echo "Stan is left out: PyStan cannot be installed"
	-$(PIP) install --quiet -c constraints.txt -e ".[benchmark-amici]" || echo "AMICI is left out: no compiler for C++20"
	touch $@

clean:
	rm -rf $(VENV) runs build dist
