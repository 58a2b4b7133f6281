"""What a SavedModel must pass before it is published: the rules of TensorFlow Serving, and equal answers on reload.

Two loaders are tried, for a model can pass one and fail the other: `tf.saved_model.load`, and the session loader
`tf.compat.v1.saved_model.load`, which is how TensorFlow Serving loads (variables by name, tables by the init op).
The rules are checked against the stock binary of the installed TensorFlow's version or newer.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfconv import tasks
from tfconv.tasks import CLASSIFICATION, Task

__all__ = ["ExportError", "check_saved_model"]

_PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"})
_LARGEST_GRAPH = 1 << 30  # bytes; the server refuses a larger saved_model.pb
_LARGEST_CONSTANT = 1 << 18  # bytes of numbers; weights belong into variables/
_OUTPUT_TYPES = frozenset({tf.float32, tf.int32, tf.int64, tf.bool, tf.string})


class ExportError(RuntimeError):
    """A SavedModel that must not be published. The message says which check failed, and where."""


def check_saved_model(
    directory: str | Path,
    samples: Sequence[bytes],
    probabilities: npt.NDArray[np.float32],
    class_names: Sequence[str],
    *,
    task: Task | str = CLASSIFICATION,
    separator: str = "|",
    tolerance: float = 1e-5,
    feature: str = "text",
    arrays: Mapping[str, Mapping[int, npt.NDArray]] | None = None,
) -> None:
    """Check a saved text or image classifier against the rules, and against the live model by both loaders.

    Args:
        directory: holds `saved_model.pb`.
        samples: n texts, or n encoded images.
        probabilities: (n, C), the live model's answers.
        class_names: C names.
        task: "classification" or "multi-label".
        separator: between the labels of one example.
        tolerance: largest difference of a probability.
        feature: name of the bytes feature that the signature `classify` reads, "text" or "image".
        arrays: other signatures, each with its input of some samples by the sample's place, such as the pixels
            (h, w, channels) of images: they are asked about one at a time.

    Raises:
        ExportError: a check failed.
    """
    broken = list(rule_breaks(directory))
    if broken:
        raise ExportError(f"{directory} would not be served: " + "; ".join(broken))
    arrays = arrays or {}
    calls = [("serving_default", np.array(list(samples), dtype=object))]
    calls += [("classify", np.array([_example(sample, feature) for sample in samples], dtype=object))]
    calls += [(name, array[None]) for name, those in arrays.items() for array in those.values()]
    for loader, run in (("tf.saved_model.load", _loaded), ("the session loader", _in_session)):
        try:
            answers, classified, *of_arrays = run(str(directory), calls)
        except Exception as error:
            raise ExportError(f"{loader} cannot run {directory}: {_last_words(error)}") from error
        own = answers["probabilities"]
        _compare(f"probabilities ({loader})", own, probabilities, tolerance)
        names = np.array([name.encode() for name in class_names], dtype=object)
        labels = [label.encode() for label in tasks.get(task).labels(own, class_names, separator)]
        if list(answers["label"]) != labels:
            raise ExportError(f"label ({loader}) is not the label of the probabilities")
        _compare(f"score ({loader})", answers["score"], own.max(axis=1), 0.0)
        _compare(f"classify scores ({loader})", classified["scores"], probabilities, tolerance)
        if not (classified["classes"] == names).all():
            raise ExportError(f"classify classes ({loader}) are not the class names")
        for name, those in arrays.items():
            got = np.concatenate([of_arrays.pop(0)["probabilities"] for _ in those])
            _compare(f"probabilities of {name} ({loader})", got, probabilities[list(those)], tolerance)


def rule_breaks(directory: str | Path) -> Iterator[str]:
    """Yield what in a SavedModel a stock TensorFlow Serving would refuse or choke on, one phrase each."""
    path = Path(directory) / "saved_model.pb"
    size = path.stat().st_size
    if size > _LARGEST_GRAPH:
        yield f"saved_model.pb has {size:,} bytes, the limit is {_LARGEST_GRAPH:,}"
        return
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    tags = [sorted(graph.meta_info_def.tags) for graph in saved.meta_graphs]
    if tags != [["serve"]]:
        yield f"its tags are {tags}, not just [['serve']]"
    for graph in saved.meta_graphs:
        yield from _graph_breaks(graph.graph_def)
        for name, signature in graph.signature_def.items():
            if name == "__saved_model_init_op":
                continue
            for alias, tensor in signature.inputs.items():
                if (
                    tensor.tensor_shape.unknown_rank
                    or not tensor.tensor_shape.dim
                    or tensor.tensor_shape.dim[0].size >= 0
                ):
                    yield f"input {alias} of {name} has a fixed batch or none"
            for alias, tensor in signature.outputs.items():
                shape = tensor.tensor_shape
                if not shape.unknown_rank and (not shape.dim or shape.dim[0].size >= 0):
                    yield f"output {alias} of {name} does not begin with the batch"
                if tf.dtypes.as_dtype(tensor.dtype) not in _OUTPUT_TYPES:
                    yield f"output {alias} of {name} is {tf.dtypes.as_dtype(tensor.dtype).name}, which JSON cannot hold"
                if alias.endswith("_bytes"):
                    yield f"output {alias} of {name}: names in _bytes are sent in base 64"


def _graph_breaks(graph: tf.compat.v1.GraphDef) -> Iterator[str]:
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    names = {node.op for node in nodes} - {function.signature.name for function in graph.library.function}
    for name in sorted(names & _PYTHON_OPS):
        yield f"op {name} runs Python, which a server has not"
    # Every op of the core has an entry here; ops of other libraries never have.
    for name in sorted(names - _PYTHON_OPS):
        if not hasattr(tf.raw_ops, name) and not name.startswith("TFText>"):
            yield f"op {name} is no core TensorFlow op"
    compiled = any(function.attr["_XlaMustCompile"].b for function in graph.library.function)
    if compiled or any(node.op == "XlaLaunch" or node.attr["_XlaMustCompile"].b for node in nodes):
        yield "it asks for XLA (jit_compile=True), which the server has switched off"
    for node in nodes:
        value = node.attr["value"].tensor
        if node.op == "Const" and value.dtype != tf.string.as_datatype_enum and value.ByteSize() > _LARGEST_CONSTANT:
            yield f"constant {node.name} has {value.ByteSize():,} bytes: weights must be variables"


_Calls = Sequence[tuple[str, npt.NDArray]]  # a signature, and the values of its only input
_Answers = list[dict[str, npt.NDArray]]


def _loaded(directory: str, calls: _Calls) -> _Answers:
    signatures = tf.saved_model.load(directory).signatures
    results = []
    for name, values in calls:
        (given,) = signatures[name].structured_input_signature[1]
        answers = signatures[name](**{given: tf.constant(values)})
        results.append({alias: tensor.numpy() for alias, tensor in answers.items()})
    return results


def _in_session(directory: str, calls: _Calls) -> _Answers:
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel("ERROR")  # it would tell the user to load in another way; the server does not
        try:
            signatures = tf.compat.v1.saved_model.load(session, ["serve"], directory).signature_def
        finally:
            logger.setLevel(level)
        results = []
        for name, values in calls:
            (given,) = signatures[name].inputs.values()
            wanted = {alias: tensor.name for alias, tensor in signatures[name].outputs.items()}
            results.append(session.run(wanted, {given.name: values}))
    return results


def _compare(what: str, got: npt.NDArray, want: npt.NDArray, tolerance: float) -> None:
    if got.shape != want.shape or got.dtype != np.float32:
        raise ExportError(f"{what}: {got.dtype} {got.shape} where float32 {want.shape} was to come")
    difference = np.abs(got.astype(np.float64) - want).reshape(len(want), -1).max(axis=1, initial=0.0)
    far = np.flatnonzero(~(difference <= tolerance))  # NaN is far
    if len(far):
        worst = float(difference.max())
        raise ExportError(f"{what} differ from the live model by {worst:.3g}, first at sample {far[0]} of {len(want)}")


def _last_words(error: Exception) -> str:
    """Return the line of TensorFlow's long messages that says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if "rror:" not in line[-7:] and not line.startswith("Detected at")), lines[0])


def _example(value: bytes, name: str) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature={name: feature})).SerializeToString()
