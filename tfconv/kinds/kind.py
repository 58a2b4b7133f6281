"""A kind of work: all that the verbs of the command, prediction and export need to know about text, images, ..."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfconv.errors import InputError
from tfconv.kinds.options import NoOptions, Sweep, TrainingOptions, check_options
from tfconv.kinds.source import options_of

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt
    import tensorflow as tf
    from matplotlib.figure import Figure

    from tfconv.data.dataset import LabelledData
    from tfconv.export.graph import Serving
    from tfconv.tasks import Task
    from tfconv.training.runs.folder import RunFolder

__all__ = ["Kind"]


class Kind:
    """What one word after `tfconv train` stands for; a subclass for each kind, one instance in the table of kinds.

    Attributes:
        name: the word, as in `tfconv train NAME`; runs keep it in config.json and preprocess/kind.json.
        unit: what one example is called in messages, such as "text".
        title: what is trained, for help texts, such as "a text classifier".
        options: settings of a training, a frozen dataclass that inherits `TrainingOptions` and is the command line.
        sweep_options: settings of `tfconv lr-find`, a dataclass that inherits `Sweep` and `options`, in this order.
        check_options: settings that `tfconv check` has for this kind only, under the same names as in `options`.
        inputs: what a training with --from takes from the earlier run besides the weights, for messages.
        inherited: options that describe the network or its inputs, which --from takes from the earlier run.
        batch: examples that `tfconv predict` asks about at a time.
        work: what `tfconv.runtime.configure` sets the process up for.
        figures: what `tfconv plot` draws of a run beside "curves" and "model": name to the options that go with it,
            among count, layer, seed, split.
        model_figures: those of them that need nothing but the model.
    """

    name: str
    unit: str
    title: str
    options: type[TrainingOptions]
    sweep_options: type[Sweep]
    check_options: type = NoOptions
    inputs: str = "its preprocessing"
    inherited: tuple[str, ...] = ("model",)
    batch: int = 256
    work: Literal["text", "images"] = "text"
    figures: Mapping[str, tuple[str, ...]] = {}
    model_figures: frozenset[str] = frozenset()

    # From settings to a training.

    def check(self, config: Any) -> None:
        """Refuse settings that are out of range or do not go together, before anything is read.

        Raises:
            InputError: naming the option, the rule and the value.
        """
        check_options(config)

    def check_source(self, source: str) -> None:
        """Refuse what is no data set by its name alone.

        Raises:
            InputError: there is no such file or folder.
        """
        if not Path(source).exists():
            raise InputError(f"{source}: no such file or folder")

    def reads_with_tensorflow(self, source: str) -> bool:
        """Whether reading runs TensorFlow's operations, before which its devices must be chosen."""
        return False

    def recognizes(self, config: Any) -> bool:
        """Whether the DATA of `tfconv check` looks like this kind's."""
        return False

    def settled(self, config: Any) -> Any:
        """The settings with what a look at the files finds."""
        return config

    def chosen(self, config: Any, data: Any, *, steps: bool = False) -> Any:
        """The settings with a model in place of "auto", where there is such a choice.

        Args:
            config: settings of a training, from `settled`.
            data: from `read`.
            steps: the model must be one that is trained by steps.
        """
        return config

    def read(self, config: Any) -> "LabelledData":
        """The data set that the settings name."""
        raise NotImplementedError

    def prepare(self, config: Any, data: Any) -> Any:
        """The data set with the settings by which it gives batches."""
        return data.prepare(batch_size=config.batch_size, seed=config.seed)

    def build(self, config: Any, data: Any) -> "keras.Model":
        """The model, untrained, or that of --from."""
        raise NotImplementedError

    def objective(self, config: Any, data: Any) -> tuple[Any, Any]:
        """Loss and metrics; `None`: those that `fit` chooses by the labels."""
        return None, None

    def training_batches(self, config: Any, data: Any) -> "tf.data.Dataset":
        """What is trained on."""
        return data.train

    def baseline(self, config: Any, data: Any, model: "keras.Model") -> "tuple[str, keras.Model, Any] | None":
        """A simple model that the trained one should beat, for the report: its name, itself, and its data set.

        Args:
            config: settings of the training.
            data: from `prepare`.
            model: trained.
        """
        return None

    def curves(self, config: Any, history: Mapping[str, Any]) -> Mapping[str, Any]:
        """The curves of a training that can be read against each other; none where they are of different answers."""
        return history

    def longest_batch(self, batches: "tf.data.Dataset") -> Any:
        """The batch that takes the most memory, of a few."""
        return next(iter(batches))

    def describe(self, config: Any, data: Any, model: "keras.Model") -> str:
        """A line on the model."""
        return f"{config.model}: {model.count_params():,} parameters"

    def agreed(self, data: Any) -> dict[str, Any]:
        """What all workers of a training must have in common, beyond settings, classes and numbers of examples."""
        return {}

    def next_commands(self, run: Path) -> list[str]:
        """The commands that come after a training."""
        return [f"tfconv evaluate {run}", f"tfconv export {run} saved_models/{run.name}"]

    def inherited_settings(self, config: Any, before: "RunFolder") -> dict[str, Any]:
        """What of `inherited` an earlier run decides, by its settings and its preprocessing.

        Args:
            config: settings of the training that starts from it.
            before: the earlier run.

        Raises:
            InputError: a setting or the preprocessing cannot be read.
        """
        return options_of(before, ("model",), self.options)

    # What is done with a finished run.

    def labelled(self, run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
        """Batches (inputs, labels) to score a run on, and what to call them.

        Args:
            run: from `load_run`.
            data: a data set like the one it was trained on, all its splits; `None`: the run's own test split.

        Raises:
            InputError: the data cannot be read or have changed, or have a class that the run does not know.
        """
        raise NotImplementedError

    def draw(self, run: Any, figure: str, options: Mapping[str, Any]) -> "Figure":
        """One of `figures`; options that were not given are not there."""
        raise InputError(f"{run.directory} has no figure {figure!r}")

    # From raw examples to answers.

    def given(self, arguments: Sequence[str]) -> list[tuple[str, str | None]]:
        """The raw examples that arguments of `tfconv predict` mean, each with the file that it is read from, if any.

        Raises:
            InputError: a folder or a pattern has no file.
        """
        return [(argument, None) for argument in arguments]

    def raw(self, example: str, file: str | None) -> str:
        """One raw example of `given`.

        Raises:
            InputError: the file cannot be read.
        """
        return example

    def names(self, examples: Sequence[Any]) -> list[Any]:
        """What each raw example is called in answers and errors."""
        return list(examples)

    def predictor(
        self, model: "keras.Model", preprocess: Any, task: "Task"
    ) -> "Callable[[Sequence[Any], Sequence[str] | None], npt.NDArray]":
        """Trace a function from raw examples, and their names for errors, to probabilities float32 (n, C).

        Raises:
            InputError: the model does not take what the preprocessing gives.
        """
        raise NotImplementedError

    def serving(self, model: "keras.Model", preprocess: Any, samples: Sequence[Any]) -> "Serving":
        """What `export_serving` writes for this kind, and what it compares on.

        Raises:
            InputError: a sample cannot be read, or the model's answer is not finite.
        """
        raise InputError(f"a run of {self.name} cannot be exported: it has no signatures")
