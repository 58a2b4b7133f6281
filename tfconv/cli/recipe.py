"""What the recipes have in common: train with their choices, score on the test split, and write the run folder."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model and its scores.

    Attributes:
        model: in float32, whatever it was trained in.
        history: what `training.fit` returned.
        result: what `result.json` in the run folder holds.
        seconds: how long the training took.
    """

    model: "keras.Model"
    history: "keras.callbacks.History"
    result: dict[str, Any]
    seconds: float


def train_and_score(
    config: Any,
    data: Any,
    model: "keras.Model",
    strategy: Any,
    *,
    about: dict[str, Any] | None = None,
    run_dir: Path | None = None,
    print_scores: bool = True,
    **choices: Any,
) -> Trained | None:
    """Train a recipe's model, then score it once on the test split.

    It is `training.fit`, `training.in_float32`, `evaluation.report` and `training.write_result`, one after the other.

    Args:
        config: the settings of the recipe; `resume` and `overwrite` are used here, and `config.json` holds all of them.
        data: has `train`, `validation` and `test`, `preprocess` and `class_names`.
        model: made within the strategy's scope.
        strategy: the devices to train on.
        about: more for `config.json`, such as {"model": "as published"}.
        run_dir: the run folder; by default `config.run`.
        print_scores: print the scores, too.
        **choices: more arguments of `training.fit`: `epochs`, `optimizer`, `loss`, `metrics`, `callbacks`.

    Returns:
        The trained model and its scores; `None` in a worker that is not the chief, which alone scores and writes.
    """
    from tfconv import evaluation, training

    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(config).items()}
    settings |= about or {}
    run_dir = config.run if run_dir is None else run_dir
    begin = time.monotonic()
    history = training.fit(
        model,
        data.train,
        validation_data=data.validation,
        strategy=strategy,
        run_dir=run_dir,
        preprocess=data.preprocess,
        config=settings,
        resume=config.resume,
        overwrite=config.overwrite,
        **choices,
    )
    if not training.strategy.is_chief(strategy):
        return None
    seconds = time.monotonic() - begin
    model = training.in_float32(model)
    scores = evaluation.report(model, data.test, run_dir / "report", class_names=data.class_names)
    result = training.write_result(run_dir, settings, history, {"test": scores["metrics"]}, seconds)
    if print_scores:
        print(f"\ntest split, {scores['examples']:,} {data.unit}s, after {seconds:.0f} s of training")
        evaluation.print_scores(scores)
    return Trained(model, history, result, seconds)
