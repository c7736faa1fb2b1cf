# All targets set up their environment first; nothing but Python 3.11, 3.12 or 3.13 is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
TFA_VENV := .venv-tfa
GPU_VENV := .venv-gpu
LOWEST_VENV := .venv-lowest
FUZZ_VENV := .venv-fuzz
FUZZ_SECONDS ?= 60
TEST_PROCESSES ?= 2
TFA_PYTHON ?= python3.11
STARTED := $(shell date +%s)

.PHONY: setup demo serve-demo studio wheel docs notebook test test-slow test-lowest test-gpu gpu-report nvidia-gpu fuzz bench bench-data soak lint types clean tfa-oracle wire

setup: $(VENV)/complete

$(VENV)/installed: setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/complete: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/serving: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[serving]"
	touch $@

# GAN, and the report of an independent judge; started again, it goes on where it stopped.
demo: $(VENV)/installed
	$(BIN)/python -m dmgan_tf.train --config toy_birds.yaml --run-dir $(DEMO) --resume
	$(BIN)/python -m dmgan_tf.evaluate --model $(DEMO) --judge toy_birds_judge --images 1000 --unseen \
		--blurred --out $(DEMO)/report.json --since $(STARTED)

# The demo's model through a server and a client; `make demo` comes first.
serve-demo: $(VENV)/serving
	$(BIN)/python -m dmgan_tf.serving.demo --model $(DEMO) --out $(DEMO)/served.png

# What the studio takes from npm, and the presets as it draws with them: both travel in the wheel.
studio: setup dmgan_tf/studio/runtime
	$(BIN)/python -m dmgan_tf.studio.exported_presets

dmgan_tf/studio/runtime: dmgan_tf/studio/package-lock.json dmgan_tf/studio/build.mjs
	npm ci --no-audit --no-fund --prefix dmgan_tf/studio

# dist/dmgan_tf-….whl, with the studio's page.
wheel: setup dmgan_tf/studio/runtime
	rm -rf build dmgan_tf/studio/exported
	$(BIN)/python -m dmgan_tf.studio.exported_presets
	$(BIN)/python -m build --wheel

# docs/tutorial.ipynb, from docs/tutorial.md.
notebook: setup
	$(BIN)/python docs/make_notebook.py

# The documents as a site, in site/; a link that leads nowhere is an error.
docs: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict  # calls ruff

test: setup
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile -m slow

# The quick tests with the lowest versions that setup.py allows.
test-lowest: $(LOWEST_VENV)/installed
	$(LOWEST_VENV)/bin/python -m pytest

$(LOWEST_VENV)/installed: setup.py
	$(PYTHON) -m venv $(LOWEST_VENV)
	$(LOWEST_VENV)/bin/pip install --quiet --disable-pip-version-check uv
	$(LOWEST_VENV)/bin/uv pip install --quiet --python $(LOWEST_VENV) --resolution lowest-direct -e ".[dev]"
	touch $@

# Readers of strangers' files and requests, FUZZ_SECONDS each: runs/fuzz/TARGET/findings, and the
# REST interface against its own description.
fuzz: $(FUZZ_VENV)/installed
	PYTHONPATH=.:tests $(FUZZ_VENV)/bin/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS)
	PYTHONPATH=.:tests:tests/serving \
		$(FUZZ_VENV)/bin/python tests/fuzz/rest_interface.py --seconds $(FUZZ_SECONDS)

$(FUZZ_VENV)/installed: setup.py constraints.txt
	$(PYTHON) -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,fuzz]"
	touch $@

# Training, generation, memory and start beside a plain form of the same network; and the pipeline.
bench: bench-data
	$(BIN)/python benchmarks/speed.py

# The input pipeline beside a Pillow loader and the trainer, at CUB's sizes.
bench-data: setup
	$(BIN)/python benchmarks/data.py

# Ten minutes of hostile requests and slow connections beside honest clients of the server.
soak: setup
	rm -rf runs/soak
	$(BIN)/python -m dmgan_tf.export.saved_model --model toy_birds --out runs/soak/dmgan
	$(BIN)/python benchmarks/soak.py --saved-model runs/soak/dmgan --minutes 10

# On a machine with an NVIDIA card: the tests of parity and those marked `gpu`, on the card.
test-gpu: nvidia-gpu $(GPU_VENV)/installed
	@$(GPU_VENV)/bin/python -c "import tensorflow as tf; \
		exit(not tf.config.list_physical_devices('GPU') and 'error: TensorFlow finds no GPU.')"
	$(GPU_VENV)/bin/python -m pytest -m "gpu or not gpu" tests/gpu tests/parity

# Step time, memory and rounding there: runs/gpu_report.md.
gpu-report: nvidia-gpu $(GPU_VENV)/installed
	$(GPU_VENV)/bin/python benchmarks/gpu_report.py

# Looked for first: the GPU's packages are gigabytes. `make` exits with 2.
nvidia-gpu:
	@nvidia-smi > /dev/null 2>&1 || { echo "error: no NVIDIA GPU here: nvidia-smi finds none." >&2; false; }

$(GPU_VENV)/installed: setup.py constraints.txt
	$(PYTHON) -m venv $(GPU_VENV)
	$(GPU_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,gpu]"
	touch $@

# What tensorflow-addons computes, for tests/tfa_oracle; in an environment of its own, of an older
# Python: 3.9 to 3.11.
tfa-oracle: $(TFA_VENV)/installed
	$(TFA_VENV)/bin/python tests/tfa_oracle/make.py

$(TFA_VENV)/installed: tests/tfa_oracle/requirements.txt
	$(TFA_PYTHON) -m venv $(TFA_VENV)
	$(TFA_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# dmgan_tf/serving/*.binpb from their .proto files.
wire: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt grpcio-tools
	for name in wire kserve; do \
		$(BIN)/python -m grpc_tools.protoc --proto_path=dmgan_tf/serving --include_imports \
			--descriptor_set_out=dmgan_tf/serving/$$name.binpb $$name.proto || exit 1; done

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Benchmarks have no tests: names and calls that are no longer there are what would break them.
LOOSE = union-attr index assignment var-annotated misc arg-type call-overload
types: setup
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy --check-untyped-defs --follow-imports=silent \
	    $(addprefix --disable-error-code ,$(LOOSE)) benchmarks/*.py

clean:
	rm -rf $(VENV) $(TFA_VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache
	rm -rf dmgan_tf/studio/node_modules dmgan_tf/studio/runtime dmgan_tf/studio/exported
