# All targets set up their environment first; nothing but Python 3.11, 3.12 or 3.13 is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
STARTED := $(shell date +%s)

.PHONY: setup demo test test-slow lint types clean

setup: $(VENV)/installed

$(VENV)/installed: setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

# Encoders, GAN, an independent judge, and the report; started again, it goes on where it stopped.
demo: setup
	$(BIN)/python -m dmgan_tf.train --config toy_birds.yaml --run-dir $(DEMO) --resume
	$(BIN)/python -m dmgan_tf.pretrain_damsm --config toy_birds.yaml --run-dir $(DEMO)/judge \
		--set training.seed=1 --resume
	$(BIN)/python -m dmgan_tf.evaluate --model $(DEMO) --judge $(DEMO)/judge --since $(STARTED)

test: setup
	$(BIN)/python -m pytest

test-slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
