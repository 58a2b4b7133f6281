"""Synthetic reviews in files, and what comes back from them."""

import json

import numpy as np

REVIEWS = [
    {"text": f"the film no. {i} was {'good' if i % 3 else 'bad'} " + "really " * (i % 9), "label": "ba"[i % 3 == 0]}
    for i in range(240)
]


def write_jsonl(path, reviews):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(review) + "\n" for review in reviews))


def write_parts(folder, reviews=REVIEWS, parts=3):
    """Write a folder of JSON Lines files; the reviews in order."""
    for number, part in enumerate(np.array_split(np.arange(len(reviews)), parts)):
        write_jsonl(folder / f"part-{number}.jsonl", [reviews[i] for i in part])
    return folder


def batched(dataset):
    """(ids without padding, label) of each example."""
    return [
        (tuple(int(i) for i in row if i), np.asarray(label).tolist())
        for ids, labels in dataset
        for row, label in zip(ids.numpy(), labels.numpy(), strict=True)
    ]
