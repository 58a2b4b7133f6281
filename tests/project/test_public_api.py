"""The public names, all written down here, and what importing them may import."""

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfconv

PUBLIC = {
    "tfconv": """InputError __version__ data evaluation export geometry interpret kinds layers models runtime
        tasks training""",
    "tfconv.cli": """Trained main one_line_errors run_recipe train_and_score""",
    "tfconv.data": """
        Columns Dialect EpochDataset ImageData ImageExamples ImagePreparation ImagePreprocess cifar10
        conflicting_labels example_keys image_folder image_source image_table synthetic_shapes
        NGrams Preparation StreamedTextData TextData TextExamples TextPreprocess Tokenizer Vocabulary WordVectors
        augment batches build_vocabulary csv imdb jsonl parquet read_shards read_rows read_vectors shared_examples
        stratified_folds synthetic_reviews
        text_folder text_source text_stream tfds token_chunks write_shards
    """,
    "tfconv.data.image.augment": """
        Augmentation cutmix cutout mixed mixup random_brightness_contrast random_crop random_flip random_flip_translate
        random_rotation_zoom random_symmetry random_translate side_on top_down
    """,
    "tfconv.evaluation": """
        Prediction Predictor auc average_precision binary_metrics class_scores confusion_figure confusion_matrix
        label_scores labels_and_logits many_class_metrics multi_label_metrics pr_curve pr_curve_figure predict
        print_scores probabilities read_curves report roc_curve roc_curve_figure threshold_counts write_pr_summaries
    """,
    "tfconv.export": """ExportError check_saved_model export_serving""",
    "tfconv.geometry": """Window explain layers_needed output_size parameter_count receptive_field""",
    "tfconv.interpret": """
        SignificantTokens TokenEffect class_tokens_figure confidence_figure curves_figure embedding_matrix
        feature_maps_figure filters_figure linear_weights lr_find_figure model_diagram occlusion
        predictions_figure samples_figure schedules_figure significant_ngrams significant_tokens text_figure
        tokens_figure write_projector
    """,
    "tfconv.kinds": """KINDS Kind get of_preprocess register""",
    "tfconv.layers": """
        BagOfWordsDense BatchNorm ConcatPooling2D ConvMaxPooling1D ConvNormAct1D ConvNormAct2D
        DilatedConv1DStack Dirac DistinctTokens EmbeddingConvMaxPooling1D FixedLength GhostBatchNorm IdRange
        KMaxPooling1D LogitBlend MaskedGlobalAveragePooling1D MaskedGlobalMaxPooling1D MaskedMaxPooling1D
        NGramDense OneHotConv1D OneHotTokens ResidualBlock1D ResidualBlock2D ResponseNormalization
        WhiteningConv2D
    """,
    "tfconv.models": """
        AlexNet AllConvNet BagOfWordsLinear BagOfWordsMLP CharCNN ConvBatchNormNet ConvNet DilatedTextCNN
        LessonResNet MiniAlexNet MultiWidthTextCNN NGramLinear ResNet ResNetCIFAR ResidualTextCNN SimpleNet
        TextCNN ThreeConvNet VGG16 WhitenedResNet WideDeepTextCNN airbench94 from_application kim_cnn
        load_word_vectors resnet18 resnet20 resnet32 resnet34 resnet50 resnet56 text_cnn_imdb zhang_char_cnn
    """,
    "tfconv.runtime": """configure precision set_seed""",
    "tfconv.tasks": """CLASSIFICATION MULTI_LABEL TASKS Task get""",
    "tfconv.training": """
        BatchSizeTrial Blend CrossValidation DiscriminativeRates EMAWeights FusedAdagrad FusedAdam
        GradientAccumulation Interrupted LazyAdam LearningRateSweep Lookahead Muon NGramSolution
        NonFiniteLossError OverfitCheck PrecisionError ProgressLines Run RunSettings ScheduledSGD
        SmoothedCrossentropy SoftLabelAccuracy StochasticWeightAveraging WorkerLostError check_answers
        choose_blend cross_validate decay_kernels_only discriminative evaluate fit freeze_batch_norm freeze_to
        gradual_unfreeze in_float32 layer_groups load_run lr_find optimizers overfit_one_batch precompute
        probe_batch_sizes resized_batches schedules soft_label_objective solve_ngrams split_head strategy
        with_input_shape with_new_head write_result
    """,
}
PACKAGE = Path(tfconv.__file__).parent


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_those_written_here(module):
    imported = importlib.import_module(module)
    assert sorted(imported.__all__) == sorted(PUBLIC[module].split())
    assert [name for name in imported.__all__ if not hasattr(imported, name)] == []
    assert [name for name in imported.__all__ if not getattr(getattr(imported, name), "__doc__", None)] == []


def modules_after(statement: str, environment: dict[str, str] | None = None) -> set[str]:
    """Return what a fresh process has imported after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **(environment or {})},
    )
    return set(done.stdout.split())


def test_import_of_tfconv_imports_no_framework():
    assert not modules_after("import tfconv, tfconv.geometry") & {"tensorflow", "keras", "numpy", "torch"}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: make .venv/bench")
def test_layers_and_models_need_no_tensorflow():
    loaded = modules_after("import tfconv.layers, tfconv.models", {"KERAS_BACKEND": "torch"})
    assert "keras" in loaded and "tensorflow" not in loaded


def imports_at_module_level(tree: ast.Module) -> set[str]:
    """Return the packages a module imports when it is itself imported: all but those imported inside functions."""
    names: set[str] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes.extend(ast.iter_child_nodes(node))
    return names


@pytest.mark.parametrize(
    "path",
    [
        str(path.relative_to(PACKAGE))
        for name in ("layers", "models")
        for path in sorted((PACKAGE / name).rglob("*.py"))
    ],
)
def test_only_backend_kernels_import_tensorflow_at_module_level(path):
    names = imports_at_module_level(ast.parse((PACKAGE / path).read_text()))
    assert ("tensorflow" in names) == path.endswith("_tensorflow.py")


def test_type_checkers_see_what_is_imported_lazily(tmp_path):
    """mypy, and with it an editor, knows the signatures behind `import tfconv` and nothing more."""
    names = ["models.TextCNN", "data.csv", "training.fit", "evaluation.report", "export.export_serving"]
    file = tmp_path / "user.py"
    file.write_text("\n".join(["import tfconv", *(f"reveal_type(tfconv.{name})" for name in names)]))
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={os.devnull}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(file)],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    signatures = dict(zip(names, re.findall(r'Revealed type is "(.*)"', done.stdout), strict=True))
    assert all(signature.startswith("def (") for signature in signatures.values()), signatures
    assert signatures["models.TextCNN"].endswith(".TextCNN") and "vocabulary_size: int" in signatures["models.TextCNN"]
    assert signatures["data.csv"].endswith(".TextData") and "epochs: int" in signatures["training.fit"]
