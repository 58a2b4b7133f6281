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

# Four on two cores: a test that waits for a process or a disk leaves its core to another. A file's tests share what
# they train and trace, so they stay in one worker; tests/conftest.py puts the longest files first.
WORKERS := -n 4 --dist loadfile --no-loadscope-reorder

test: .venv/dev
	$(BIN)/python -m pytest $(WORKERS)

# What one runs all day. ROOM is a folder or a file of tfconv without its ending, such as data/rows or data/splits: its
# own tests, and the files of tests elsewhere that import it. With no ROOM: QUICK, of every room the files whose tests
# take least and say most, chosen by hand for 90 s on two cores together.
QUICK := $(addprefix tests/, \
	cli/test_arguments.py cli/test_launch_stopped.py cli/test_refusals.py \
	data/image/augment/test_geometry.py data/image/test_orientation.py data/rows data/sets/test_bad_cifar10.py \
	data/test_folds.py data/test_patterns.py data/test_splits.py data/text/test_dataset.py data/text/test_folders.py \
	data/text/test_vectors.py evaluation/test_figures.py evaluation/test_metrics.py evaluation/test_prediction.py \
	export/test_versions.py geometry interpret/test_curves.py interpret/test_embeddings.py \
	kinds/test_toy_kind.py layers/test_conv.py layers/test_pooling.py \
	layers/test_tokens.py layers/test_whitening.py models/image/test_counts.py models/text/test_bag_of_words.py \
	project/test_files.py project/test_house.py project/test_suite.py recipes/test_cluster_recipes.py \
	training/distribution/test_cluster.py training/loop/test_agreement.py training/loop/test_arguments.py \
	training/loop/test_losses.py training/optimizers/test_schedules.py training/search/test_lr_suggestions.py)
ifneq ($(findstring /,$(ROOM)),)
IMPORTERS = grep -rlE "tfconv\.$(subst /,\.,$(ROOM))\b" tests --include='test_*.py'
else
IMPORTERS = true
endif
OF_ROOM = $(shell ls -d tests/$(ROOM) tests/$(dir $(ROOM))test_$(notdir $(ROOM)).py 2>/dev/null; $(IMPORTERS))
.PHONY: quick
quick: .venv/dev
	$(BIN)/python -m pytest -q $(WORKERS) $(if $(ROOM),$(or $(OF_ROOM),$(error no tests of $(ROOM))),$(QUICK))

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
	.venv-lowest/bin/python -m pytest $(WORKERS) -W ignore::DeprecationWarning $(sort $(LOWEST) $(QUICK))

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
