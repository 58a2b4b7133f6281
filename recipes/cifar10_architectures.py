"""Five networks on CIFAR-10 side by side, from fully connected to residual: parameters, accuracy, seconds.

Claim: test accuracy fully connected: 51.83 % after 10 epochs in 11 s; convolutional: 60.71 % after 10 epochs in 31 s;
batch norm: 73.13 % after 10 epochs in 92 s; deep batch norm: 76.19 % after 10 epochs in 158 s; residual: 76.84 % after
10 epochs in 315 s of training (seed 0; 2 cores, AMD EPYC; TensorFlow 2.21.0, Keras 3.15.1). The images were a copy of
CIFAR-10 that went through JPEG (quality 75), on which networks score about 3 points less than on the original.

The steps of fast.ai's lesson 7 of 2018: one hidden layer; strided convolutions; batch normalisation; twice the depth;
shortcuts. Images, augmentation, Adam and its learning-rate schedule (one cycle) are the same for all of them, so that
only the architecture differs. `--data synthetic` runs the same page on synthetic shapes in a minute.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from tfconv import runtime
from tfconv.cli import run_recipe, train_and_score


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of this recipe."""

    data: str = "cifar10"  # cifar10 (from TFCONV_DATA_DIR, or downloaded), a folder with it, or synthetic
    runs: Path = Path("runs/cifar10_architectures")  # folder for the five runs
    epochs: int = 10  # of training
    batch_size: int = 128  # images per step
    learning_rate: float = 0.003  # of Adam, at the peak of its schedule
    shift: int = 2  # largest shift of training images, in pixels
    strategy: str = "auto"  # tf.distribute: auto, cpu:N, mirrored or multiworker
    seed: int = 0  # of the split, weights, order and augmentation
    deterministic: bool = False  # bit-identical results in every run
    resume: bool = False  # resume a stopped run from its last checkpoint
    overwrite: bool = False  # replace the runs that the folder holds


def make_data(config: Config):
    from tfconv import data
    from tfconv.data import augment

    source = data.image_source(config.data)  # of CIFAR-10: the last 10,000 training images are held out
    shifted = functools.partial(augment.random_flip_translate, pixels=config.shift)
    return source.prepare(batch_size=config.batch_size, augment=shifted, seed=config.seed)


def make_models(data) -> dict[str, Any]:
    from tfconv import models

    shape = {"input_shape": data.image_shape, "classes": data.outputs}
    return {
        "fully connected": functools.partial(models.SimpleNet, **shape),
        "convolutional": functools.partial(models.ConvNet, **shape),
        "batch norm": functools.partial(models.ConvBatchNormNet, **shape),
        "deep batch norm": functools.partial(models.ConvBatchNormNet, deep=True, **shape),
        "residual": functools.partial(models.LessonResNet, **shape),
    }


def make_optimizer(config: Config, steps: int):
    import keras

    from tfconv import training

    warmup = max(steps // 5, 1)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 10, steps - warmup, warmup_target=config.learning_rate, warmup_steps=warmup
    )
    return training.FusedAdam(rate)


def main(config: Config) -> dict[str, Any]:
    runtime.configure("images")
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from tfconv import geometry, interpret, training

    strategy = training.strategy.choose(config.strategy)
    data = make_data(config)
    print(data)
    table = Table("test split", "parameters", "receptive field", "accuracy", "seconds", box=box.SIMPLE_HEAD)
    results = {}
    for name, make_model in make_models(data).items():
        runtime.set_seed(config.seed, deterministic=config.deterministic)
        with strategy.scope():
            model = make_model()
        print(f"\n{name}: {model.count_params():,} parameters")
        run_dir = config.runs / name.replace(" ", "_")
        trained = train_and_score(
            config,
            data,
            model,
            strategy,
            about={"kind": "images", "model": name},
            run_dir=run_dir,
            print_scores=False,
            epochs=config.epochs,
            optimizer=make_optimizer(config, config.epochs * int(data.train.cardinality())),
        )
        if trained is None:  # a worker that is not the chief
            continue
        interpret.curves_figure(trained.history).savefig(run_dir / "report" / "curves.png", dpi=120)
        explained = geometry.explain(trained.model)
        (run_dir / "report" / "layers.txt").write_text(f"{explained}\n", "utf-8")
        results[name] = trained.result
        accuracy = f"{trained.result['scores']['test']['accuracy']:.4f}"
        seen = max((row.receptive_field[0] for row in explained if row.receptive_field), default=None)
        field, seconds = f"{seen} px" if seen else "all", f"{trained.seconds:.0f}"
        table.add_row(name, f"{model.count_params():,}", field, accuracy, seconds)
    Console(width=100).print(table)
    print(f"curves and tables of layers: {config.runs}/*/report")
    return results


if __name__ == "__main__":
    run_recipe(main, Config, __doc__)
