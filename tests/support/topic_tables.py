"""Tables of synthetic texts on four topics, for tests of the command."""

import csv
import random

TOPICS = {
    "food": "soup bread taste cook dish salt dinner sweet",
    "sport": "match team goal coach season league player win",
    "tech": "code laptop phone chip cloud data app screen",
    "travel": "train hotel beach flight city tour map trip",
}


def write_topics(path, n=400, labels=1):
    """Write a CSV with the columns review and kind, and return its path."""
    rng = random.Random(4)
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "kind"])
        for i in range(n):
            names = sorted(rng.sample(sorted(TOPICS), 1 + i % labels))
            words = [rng.choice("the a was is with and we they my".split()) for _ in range(8)]
            words += [rng.choice(TOPICS[name].split()) for name in names for _ in range(2)]
            rng.shuffle(words)
            rows.writerow([" ".join(words), "|".join(names)])
    return path
