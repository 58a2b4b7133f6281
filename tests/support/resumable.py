"""A training in a process of its own, for test_resume.py to kill: python resumable.py RUN_DIR [--resume] [--slow]."""

import json
import sys
import time
from pathlib import Path

from tfconv import runtime

runtime.configure("text")
runtime.set_seed(3, deterministic=True)

import keras  # noqa: E402

import tfconv  # noqa: E402


class Slow(keras.callbacks.Callback):
    """Leave time to be killed in the middle of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        print(f"batch {batch}", flush=True)
        time.sleep(0.05 if "--slow" in sys.argv else 0)


data = tfconv.data.synthetic_reviews(600, seed=1).prepare(batch_size=16, bucket=True, seed=5, length=30)
model = tfconv.models.TextCNN(len(data.preprocess.vocabulary), embedding_dim=8, filters=8, hidden_units=8, dropout=0.3)
callbacks = [
    keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=0, min_delta=0.2),
    keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True),
    Slow(),
]
history = tfconv.training.fit(
    model,
    data.train,
    validation_data=data.validation,
    epochs=5,
    optimizer=keras.optimizers.Adam(0.01, global_clipnorm=1.0),
    callbacks=callbacks,
    run_dir=sys.argv[1],
    preprocess=data.preprocess,
    resume="--resume" in sys.argv,
    checkpoint_seconds=0.0,
    verbose=2,
)
digest = {"history": history.history, "weights": [w.tolist() for w in model.get_weights()]}
Path(sys.argv[1], "digest.json").write_text(json.dumps(digest))
