"""Image classification, as a kind of work."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.data.image.headers import ENDINGS
from tfconv.data.patterns import is_pattern, matching_files
from tfconv.errors import InputError
from tfconv.kinds.fine_tuning import earlier_preprocess, starting_model
from tfconv.kinds.images.options import CheckImages, SweepImages, TrainImages
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import check_numbers, check_table_options, chosen_precision
from tfconv.kinds.source import check_known, columns_of, dialect_of, files_below, fits, with_found_columns

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt
    import tensorflow as tf
    from matplotlib.figure import Figure

    from tfconv.data import ImageData
    from tfconv.export.graph import Serving
    from tfconv.tasks import Task
    from tfconv.training.runs.folder import RunFolder

__all__ = ["ImageKind"]


class ImageKind(Kind):
    """Images, each of one class or with several labels."""

    name = "images"
    unit = "image"
    title = "an image classifier"
    options, sweep_options, check_options = TrainImages, SweepImages, CheckImages
    inputs = "size, channels and their statistics"
    inherited = ("model", "size", "fit", "channels")
    batch = 32
    work = "images"
    figures = {
        "samples": ("count", "seed", "split"),
        "predictions": ("count", "seed", "split"),
        "confidence": ("count", "split"),
        "filters": ("count", "layer"),
        "features": ("count", "layer", "seed", "split"),
    }

    model_figures = frozenset({"filters"})

    def check(self, config: Any) -> None:
        """Refuse settings that are out of range or do not go together."""
        super().check(config)
        check_table_options(config)
        check_numbers(config, {"size": 8}, ())
        self.check_source(config.data)
        for name in ("mixup", "cutmix"):
            value = getattr(config, name)
            if value is not None and not 0.001 <= value <= 1000:
                raise InputError(f"--{name} must be from 0.001 to 1000, got {value}")
        if config.optimizer == "lazy-adam":
            raise InputError("--optimizer lazy-adam is for the words of texts: use --optimizer adam")
        if config.balanced == "weights" and (config.mixup is not None or config.cutmix is not None):
            raise InputError(
                "--balanced weights needs one class an image: use --balanced sampling with --mixup or --cutmix"
            )

    def check_source(self, source: str) -> None:
        """Refuse what is no data set by its name alone."""
        check_known(source, ("cifar10", "synthetic"), "a folder, a table of paths")

    def reads_with_tensorflow(self, source: str) -> bool:
        """Files are decoded by TensorFlow."""
        return source.startswith("tfds:") or Path(source).exists()

    def recognizes(self, config: Any) -> bool:
        """Whether it is CIFAR-10, has image files in it, or a column of images."""
        from tfconv.data import Columns, read_rows

        path = Path(config.source)
        if config.image is not None or config.text is not None:
            return config.text is None
        if config.source == "cifar10" or path.name.startswith("cifar-10-"):
            return True
        if path.is_dir():
            return any(file.suffix.lower() in ENDINGS for file in path.rglob("*"))
        try:
            next(read_rows(path, Columns(text="image", label=config.label, dialect=dialect_of(config))))
        except (InputError, StopIteration):
            return False
        return True

    def settled(self, config: Any) -> Any:
        """The settings with what a look at a CSV file finds."""
        return with_found_columns(config, "image")

    def read(self, config: Any) -> "ImageData":
        """The data set, its images decoded; `runtime.configure` comes first."""
        from tfconv.data import image_source

        return image_source(config.data, columns_of(config), size=config.size, fit=config.fit, channels=config.channels)

    def prepare(self, config: Any, data: Any) -> "ImageData":
        """The data set with its augmentation; --from brings its own size and statistics."""
        if "train" in data.examples and data.examples["train"].all_equal:
            raise InputError(f"{data.name}: all training images are the same, so that nothing tells the classes apart")
        return data.prepare(
            batch_size=config.batch_size,
            augment=_augment(config.augment),
            balanced=config.balanced == "sampling",
            preprocess=earlier_preprocess(config),
            seed=config.seed,
        )

    def build(self, config: Any, data: Any) -> "keras.Model":
        """The model, untrained, or that of --from."""
        import numpy as np

        from tfconv import models

        precision = chosen_precision(config)
        if config.from_ is not None:
            return starting_model(config.from_, data, dtype=precision)
        builders: dict[str, Any] = {
            "whitened-resnet": models.WhitenedResNet,
            "resnet20": models.resnet20,
            "lesson-resnet": models.LessonResNet,
            "mini-alexnet": models.MiniAlexNet,
            "mini-alexnet-batch-norm": functools.partial(models.MiniAlexNet, normalization="batch"),
            "all-conv-net": models.AllConvNet,
            "conv-net": models.ConvNet,
            "simple-net": models.SimpleNet,
            "resnet18": models.resnet18,
            "resnet34": models.resnet34,
        }
        try:
            model = builders[config.model](input_shape=data.image_shape, classes=data.outputs, dtype=precision)
        except ValueError as error:  # images smaller than the layers take
            shape = "x".join(map(str, data.image_shape))
            raise InputError(
                f"--model {config.model} cannot take images of {shape} ({error}): give a --size"
            ) from error
        if config.model == "whitened-resnet":
            some = np.random.default_rng(config.seed).permutation(len(data.examples["train"]))[:5000]
            model.adapt(data.preprocess.normalize(data.examples["train"].images(np.sort(some))))
        return model

    def objective(self, config: Any, data: Any) -> tuple[Any, Any]:
        """Those of soft labels where there is mixing or label smoothing."""
        from tfconv import training

        mixing = config.mixup is not None or config.cutmix is not None
        smoothing = config.label_smoothing if data.task.exclusive else 0.0
        if not mixing and smoothing == 0 and data.task.exclusive:
            return None, None
        return training.soft_label_objective(data.outputs, task=data.task, label_smoothing=smoothing)

    def training_batches(self, config: Any, data: Any) -> "tf.data.Dataset":
        """Training batches, mixed in pairs where the settings say so."""
        if config.mixup is None and config.cutmix is None:
            return data.train
        from tfconv.data import augment

        return augment.mixed(
            data.train, data.outputs, mixup_alpha=config.mixup, cutmix_alpha=config.cutmix, seed=config.seed
        )

    def describe(self, config: Any, data: Any, model: "keras.Model") -> str:
        """The model's and the images' size."""
        height, width, channels = data.image_shape
        return f"{config.model}: {model.count_params():,} parameters, images of {height} x {width} x {channels}"

    def next_commands(self, run: Path) -> list[str]:
        """Predict, plot and export."""
        return [
            f"tfconv predict {run} photo.jpg",
            f"tfconv plot {run} predictions",
            f"tfconv export {run} saved_models/{run.name}",
        ]

    def inherited_settings(self, config: Any, before: "RunFolder") -> dict[str, Any]:
        """The model; size, fit and channels of the images, but of CIFAR-10, whose size is checked against the run's."""
        from tfconv.data.preprocess import read_json, unreadable

        folder = before.directory / "preprocess"
        (read,) = read_json(folder, ("image.json",), self.unit)
        if not isinstance(read, dict) or not (fits(read.get("size"), list[int]) and len(read["size"]) == 2):
            raise unreadable(folder, self.unit, "settings are missing, or of another type")
        if config.data.startswith("cifar10"):
            return super().inherited_settings(config, before)
        height, width = read["size"]
        taken: dict[str, Any] = {"size": height if height == width else (height, width)}
        if config.data != "synthetic":
            taken |= {"fit": read.get("fit", "crop"), "channels": read.get("channels", 3)}
        return super().inherited_settings(config, before) | taken

    def labelled(self, run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
        """Batches (normalised images, labels by the run's class numbers)."""
        from tfconv.kinds.images.examples import labelled_images

        return labelled_images(run, data)

    def draw(self, run: Any, figure: str, options: Mapping[str, Any]) -> "Figure":
        """Samples, predictions, confidence, filters, feature maps."""
        from tfconv.kinds.images.figures import draw

        return draw(run, figure, options)

    def given(self, arguments: Sequence[str]) -> list[tuple[str, str | None]]:
        """Image files, also those in a folder or of a pattern."""
        found: list[tuple[str, str | None]] = []
        for argument in arguments:
            if os.path.isdir(argument):
                files = files_below(argument, ENDINGS)
            elif is_pattern(argument):
                files = [str(path) for path in matching_files(argument)]
            else:
                files = [argument]  # that it is not there is said when it is read
            found += [(file, None) for file in files]
        return found

    def names(self, examples: Sequence[Any]) -> list[Any]:
        """Paths as they are, "image 3" for bytes."""
        from tfconv.data.image.batch_decode import image_names

        return image_names(examples)

    def predictor(
        self, model: "keras.Model", preprocess: Any, task: "Task"
    ) -> "Callable[[Sequence[Any], Sequence[str] | None], npt.NDArray]":
        """Trace pixels to probabilities; files are read one by one, so that an error names the file."""
        import tensorflow as tf

        from tfconv.data.image.batch_decode import ImageReader
        from tfconv.evaluation.probability import pixel_graph

        reader = ImageReader(preprocess)
        given = tf.TensorSpec([None, None, None, preprocess.channels], tf.uint8, name="pixels")
        function = tf.function(pixel_graph(model, preprocess, task=task), input_signature=[given])
        return lambda images, names: function(reader(images, names)).numpy()

    def serving(self, model: "keras.Model", preprocess: Any, samples: Sequence[Any]) -> "Serving":
        """Encoded images in, or pixels."""
        from tfconv.kinds.images.serving import image_serving

        return image_serving(model, preprocess, samples)


def _augment(name: str) -> Any:
    from tfconv.data import augment

    functions: dict[str, Any] = {
        "none": None,
        "flip": augment.random_flip,
        "flip-translate": augment.random_flip_translate,
        "side-on": augment.side_on,
        "top-down": augment.top_down,
    }
    return functions[name]
