# make demo | make test | make quick | make lowest | make lint | make bench. Each installs what it needs, once, into .venv or
# .venv-lowest.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lowest lint bench clean
.DEFAULT_GOAL := demo

.venv/core: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# PyTorch is only compared with: its CPU build is 200 MB.
.venv/bench: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

demo: .venv/core
	$(BIN)/python recipes/imdb_text_cnn.py --data synthetic --run runs/demo --overwrite --export-to saved_models/demo
	$(BIN)/python recipes/cifar10_mini_alexnet.py --data synthetic --normalization batch --epochs 5 --batch-size 32 \
		--run runs/demo-shapes --overwrite --export-to saved_models/demo-shapes

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What one runs all day. ROOM is a folder or a file of tfconv without its ending, such as data/rows or data/splits: its
# own tests, and the files of tests elsewhere that import it. With no ROOM: QUICK, some files of every room that take
# under 90 s on two cores together.
QUICK := tests/project/test_suite.py
ifneq ($(findstring /,$(ROOM)),)
IMPORTERS = grep -rlE "tfconv\.$(subst /,\.,$(ROOM))\b" tests --include='test_*.py'
else
IMPORTERS = true
endif
OF_ROOM = $(shell ls -d tests/$(ROOM) tests/$(dir $(ROOM))test_$(notdir $(ROOM)).py 2>/dev/null; $(IMPORTERS))
.PHONY: quick
quick: .venv/dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(if $(ROOM),$(or $(OF_ROOM),$(error no tests of $(ROOM))),$(QUICK))

# Tests under the lowest versions that pyproject.toml allows. uv resolves them: pip knows the highest only. Old versions
# of libraries call what new versions of others deprecate, hence -W.
.venv-lowest/dev: pyproject.toml
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	@touch $@

LOWEST := tests/cli/test_arguments.py tests/data/image/test_bad_images.py tests/data/image/test_orientation.py \
	tests/data/rows/test_dialect.py tests/data/rows/test_tables.py tests/data/sets/test_tfds.py \
	tests/evaluation/test_reports.py tests/export/test_formats.py tests/interpret tests/layers/test_conv.py \
	tests/models/text/test_bag_of_words.py tests/training/loop/test_fit.py tests/project/test_public_api.py

lowest: .venv-lowest/dev
	.venv-lowest/bin/python -m pytest -n 2 --dist loadfile -W ignore::DeprecationWarning $(sort $(LOWEST) $(QUICK))

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/python recipes/benchmarks/text_training.py
	$(BIN)/python recipes/benchmarks/image_training.py
	$(BIN)/python recipes/benchmarks/augmentation.py

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info
