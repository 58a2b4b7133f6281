"""What is predicted: one class an example, or any number of labels; outputs and probabilities follow from it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError

if TYPE_CHECKING:  # the command refuses mistakes before NumPy is imported
    import numpy.typing as npt
    import tensorflow as tf

__all__ = ["CLASSIFICATION", "MULTI_LABEL", "TASKS", "Task", "get"]


class Task:
    """One class an example; `MULTI_LABEL` overrides what differs. Stored in a run by its name."""

    name = "classification"
    exclusive = True  # whether the classes of an example exclude each other
    noun = "classes"  # what the outputs stand for, in messages

    def outputs(self, class_names: Sequence[str]) -> int:
        """Number of logits that a model needs: one for two classes, otherwise one for each."""
        return 1 if len(class_names) == 2 else len(class_names)

    def check_outputs(self, outputs: int, class_names: Sequence[str]) -> None:
        """Check that a model's outputs fit the classes: one logit each, or one for two classes.

        Raises:
            InputError: they do not.
        """
        if outputs != len(class_names) and not (outputs == 1 and len(class_names) == 2):
            raise InputError(f"the model has {outputs} outputs, which does not fit {len(class_names)} {self.noun}")
        if len(class_names) == 1:
            raise InputError("a model of one output decides between two classes: give both class names")

    def chance_loss(self, classes: int) -> float:
        """Cross-entropy of a model that has learned nothing, in nats."""
        return math.log(max(classes, 2))

    def probabilities(self, logits: "npt.NDArray") -> "npt.NDArray":
        """Probabilities (n, C) of logits (n, 1) or (n, C); one logit gives [1 - p, p], several their softmax."""
        import numpy as np

        if logits.shape[1] == 1:
            return np.concatenate([_sigmoid(-logits), _sigmoid(logits)], axis=1).astype(np.float32)
        return np.exp(logits - _log_sum_exp(logits)[:, None]).astype(np.float32)

    def probability_tensor(self, logits: "tf.Tensor") -> "tf.Tensor":
        """As `probabilities`, in a graph."""
        import tensorflow as tf

        if logits.shape[-1] == 1:
            return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=1)
        return tf.nn.softmax(logits)

    def labels(self, probabilities: "npt.NDArray", class_names: Sequence[str], separator: str) -> list[str]:
        """The predicted label of each row of probabilities (n, C)."""
        return [class_names[int(place)] for place in probabilities.argmax(axis=1)]

    def label_tensor(self, probabilities: "tf.Tensor", class_names: "tf.Tensor", separator: str) -> "tf.Tensor":
        """As `labels`, in a graph."""
        import tensorflow as tf

        return tf.gather(class_names, tf.argmax(probabilities, axis=1))

    def names_of(self, label: Any, class_names: Sequence[str]) -> tuple[str, ...]:
        """The class names that one label of a data set stands for."""
        return (class_names[int(label)],)

    def label_array(self, names: Sequence[Sequence[str]], class_names: Sequence[str]) -> "npt.NDArray":
        """The labels of a data set whose examples bear these class names: int32 (n,)."""
        import numpy as np

        place = {name: index for index, name in enumerate(class_names)}
        return np.array([place[some[0]] for some in names], np.int32)

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class _MultiLabel(Task):
    """Any number of labels an example, each a yes or no of its own."""

    name = "multi-label"
    exclusive = False
    noun = "labels"

    def outputs(self, class_names: Sequence[str]) -> int:
        """One logit for each label."""
        return len(class_names)

    def check_outputs(self, outputs: int, class_names: Sequence[str]) -> None:
        """Check that there is one logit for each label."""
        if outputs != len(class_names):
            raise InputError(f"the model has {outputs} outputs, which does not fit {len(class_names)} {self.noun}")

    def chance_loss(self, classes: int) -> float:
        """Cross-entropy of one half for each label."""
        return math.log(2)

    def probabilities(self, logits: "npt.NDArray") -> "npt.NDArray":
        """The sigmoid of each logit."""
        import numpy as np

        return _sigmoid(logits).astype(np.float32)

    def probability_tensor(self, logits: "tf.Tensor") -> "tf.Tensor":
        """As `probabilities`, in a graph."""
        import tensorflow as tf

        return tf.sigmoid(logits)

    def labels(self, probabilities: "npt.NDArray", class_names: Sequence[str], separator: str) -> list[str]:
        """The labels above one half of each row, joined; "" where there is none."""
        return [
            separator.join(name for name, value in zip(class_names, row, strict=True) if value > 0.5)
            for row in probabilities
        ]

    def label_tensor(self, probabilities: "tf.Tensor", class_names: "tf.Tensor", separator: str) -> "tf.Tensor":
        """As `labels`, in a graph."""
        import tensorflow as tf

        rows = tf.broadcast_to(class_names, tf.shape(probabilities))
        chosen = tf.ragged.boolean_mask(rows, probabilities > 0.5)
        return tf.strings.reduce_join(chosen, axis=1, separator=separator)

    def names_of(self, label: Any, class_names: Sequence[str]) -> tuple[str, ...]:
        """The names whose column is 1."""
        return tuple(name for name, on in zip(class_names, label, strict=True) if on)

    def label_array(self, names: Sequence[Sequence[str]], class_names: Sequence[str]) -> "npt.NDArray":
        """Rows of 0 and 1: float32 (n, C)."""
        import numpy as np

        place = {name: index for index, name in enumerate(class_names)}
        rows = np.zeros((len(names), len(class_names)), np.float32)
        for row, some in zip(rows, names, strict=True):
            row[[place[name] for name in some]] = 1
        return rows


def _sigmoid(values: "npt.NDArray") -> "npt.NDArray":
    import numpy as np

    return np.exp(-np.logaddexp(0.0, -values))


def _log_sum_exp(values: "npt.NDArray") -> "npt.NDArray":
    import numpy as np

    return np.logaddexp.reduce(values, axis=1)


CLASSIFICATION: Task = Task()
MULTI_LABEL: Task = _MultiLabel()
TASKS = {task.name: task for task in (CLASSIFICATION, MULTI_LABEL)}


def get(task: Task | str) -> Task:
    """The task of that name, or the one given.

    Raises:
        InputError: there is none of that name.
    """
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise InputError(f"task must be one of {', '.join(map(repr, TASKS))}, got {task!r}")
    return TASKS[task]
