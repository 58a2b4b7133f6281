"""Synthetic data sets for demos and tests: reviews whose label is in the order of the words alone, and shapes."""

import random
from collections.abc import Callable

import numpy as np

from tfconv.data.image.dataset import ImageData, ImageExamples
from tfconv.data.splits import stratified_parts
from tfconv.data.text.dataset import TextData, TextExamples
from tfconv.errors import InputError, check_whole

__all__ = ["synthetic_reviews", "synthetic_shapes"]

_CHUNK = 1024  # images drawn at a time: some megabytes of coordinates
_POINTS = 5
_CONTRAST = 90.0  # least distance of the colours of shape and background, of 441 from black to white
_GOOD = ("good", "great", "funny", "clever", "moving", "charming", "gripping", "fine")
_BAD = ("bad", "poor", "boring", "clumsy", "tedious", "dreary", "awful", "dull")
_VERBS = ("was", "is", "felt", "seemed")
_NEGATED = ("not", "hardly", "never", "wasn't", "isn't")
_AFFIRMED = ("truly", "really", "simply", "quite")
_BETWEEN = ("", "", "very", "that", "too")
_AFTER = ("at all", "at all", "in the end", "to me")
_ASPECTS = (
    "plot acting story music ending script dialogue pacing camerawork cast film sequel humour lighting editing costume "
    "direction soundtrack opening finale"
).split()
_PEOPLE = "sister brother neighbour cousin dentist colleague flatmate grandmother friend teacher".split()
_PLACES = "at home|in a small cinema|on a plane|on a rainy sunday|at a festival|in two sittings|on an old laptop".split(
    "|"
)
_FILLERS = (
    "i watched it {place} with my {person}",
    "my {person} picked it",
    "the director didn't appear",
    "it runs for {number} minutes",
    "i've never read the novel",
    "we'd hardly heard of the studio",
    "it isn't a long film",
    "it’s set in {number} different towns",
    "the {aspect} is by a newcomer from málaga",
    "there are {number} songs and a train",
    "the hero drives a really old van",
    "it was not filmed in colour",
    "someone talks about the {aspect} for {number} minutes",
    "my {person} simply left early",
    "the café scene comes before the {aspect} scene",
    "the {aspect} costs {number} crowns",
)
_EMOJI = ("🎬", "🍿", "🙂", "😴", "🎟️")


def synthetic_reviews(n: int = 4000, seed: int = 0, *, validation: float = 0.1, test: float = 0.2) -> TextData:
    """Generate reviews of 10 to 40 words whose label only the order of the words tells.

    Every review has one negated and one plain opinion word, one of them good and one bad: "not very bad at all ...
    truly funny" is positive, "not very funny at all ... truly bad" negative. Both kinds draw every word from the same
    distribution, so no count of words, linear or not, tells them apart; a window of three words that reads "truly
    funny" or "not very bad" does. Negations and emphasis of neutral things distract.

    Args:
        n: how many reviews, at least 10; half of each class (one more negative if odd).
        seed: the same n and seed give the same reviews.
        validation: the fraction of the reviews for validation.
        test: the fraction of the reviews for testing.

    Returns:
        Classes neg 0 and pos 1; splits train, and validation and test unless their fraction is 0; in random order.

    Raises:
        InputError: fewer than 10 reviews, or a fraction that is not in [0, 1), or both together leave none to train on.
    """
    if n < 10:
        raise InputError(f"n must be at least 10 reviews; got {n}")
    rng = random.Random(f"tfconv synthetic reviews {seed}")
    labels = [index % 2 for index in range(n)]
    rng.shuffle(labels)
    parts = stratified_parts(np.array(labels, np.int32), validation=validation, test=test, seed=seed)
    every = TextExamples([_review(rng, bool(label)) for label in labels], np.array(labels, np.int32))
    examples = {split: every.take(indices) for split, indices in parts.items()}
    return TextData("synthetic_reviews", ("neg", "pos"), examples)


def _review(rng: random.Random, positive: bool) -> str:
    plain, denied = rng.choice(_GOOD), rng.choice(_BAD)
    if not positive:
        plain, denied = rng.choice(_BAD), rng.choice(_GOOD)
    affirmed = f"{rng.choice(_AFFIRMED)} {plain}"
    negated = " ".join(filter(None, (rng.choice(_NEGATED), rng.choice(_BETWEEN), denied, rng.choice(_AFTER))))
    if rng.random() < 0.3:  # "the plot was truly good, not bad at all" and the other way round
        pair = [affirmed, negated]
        rng.shuffle(pair)
        sentences = [f"the {rng.choice(_ASPECTS)} {_joined(rng, pair[0])}, {pair[1]}"]
    else:
        sentences = [f"the {rng.choice(_ASPECTS)} {_joined(rng, opinion)}" for opinion in (affirmed, negated)]
    length = sum(len(sentence.split()) for sentence in sentences)
    wanted = rng.randint(10, 36)
    while length < wanted:
        filler = rng.choice(_FILLERS).format(
            place=rng.choice(_PLACES),
            person=rng.choice(_PEOPLE),
            aspect=rng.choice(_ASPECTS),
            number=rng.randint(2, 99),
        )
        size = len(filler.split())
        if length + size > 39:
            break
        sentences.append(filler)
        length += size
    rng.shuffle(sentences)
    text = " ".join(_sentence(rng, sentence) for sentence in sentences)
    return f"{text} {rng.choice(_EMOJI)}" if rng.random() < 0.1 else text


def _joined(rng: random.Random, opinion: str) -> str:
    """The opinion with its verb, except after a verb that is negated itself."""
    return opinion if "n't" in opinion else f"{rng.choice(_VERBS)} {opinion}"


def _sentence(rng: random.Random, words: str) -> str:
    return words[0].upper() + words[1:] + rng.choice((".", ".", ".", "!"))


def synthetic_shapes(
    n: int = 4000, seed: int = 0, *, size: int = 32, validation: float = 0.1, test: float = 0.2
) -> ImageData:
    """Draw images of one shape each, at any place, in any size and colour, on a background of another colour.

    Place, size and tilt vary; the colours of shape and ground are drawn independently of the class, so that no
    single pixel tells anything: a linear model of the pixels hardly beats guessing, a small convolutional network
    passes 95 %.

    Args:
        n: how many images, at least 100; as many of each class (a few classes one more).
        seed: the same n, seed and size give the same pixels.
        size: height and width, at least 16.
        validation: the fraction of the images for validation.
        test: the fraction of the images for testing.

    Returns:
        Images (size, size, 3) in random order; splits train, and validation and test unless their fraction is 0.

    Raises:
        InputError: n, seed or size is out of range, or a fraction is not in [0, 1), or both leave none to train on.
    """
    check_whole("n", n, 100)
    check_whole("seed", seed, 0, 32)
    check_whole("size", size, 16)
    rng = np.random.default_rng([seed, size])
    labels = rng.permutation(np.arange(n) % len(_SHAPES)).astype(np.int32)
    parts = stratified_parts(labels, validation=validation, test=test, seed=seed)
    store = np.empty((n, size, size, 3), np.uint8)
    for start in range(0, n, _CHUNK):
        store[start : start + _CHUNK] = _drawn(labels[start : start + _CHUNK], size, rng)
    every = ImageExamples(store, labels)
    examples = {split: every.take(indices) for split, indices in parts.items()}
    return ImageData("synthetic_shapes", tuple(_SHAPES), examples)


def _drawn(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Images uint8 (k, size, size, 3) of the shapes in `labels`."""
    count = len(labels)
    radius = size * rng.uniform(0.22, 0.36, (count, 1, 1))
    middle = radius + 1 + rng.random((2, count, 1, 1)) * (size - 2 * radius - 2)
    tilt = rng.uniform(-0.3, 0.3, (count, 1, 1))
    along = np.arange(size) + 0.5
    x, y = (along - middle[0]), (along[:, None] - middle[1])
    u, v = (x * np.cos(tilt) + y * np.sin(tilt)) / radius, (y * np.cos(tilt) - x * np.sin(tilt)) / radius
    distance = np.empty_like(u)
    for label, shape in enumerate(_SHAPES.values()):
        rows = labels == label
        distance[rows] = shape(u[rows], v[rows])
    cover = np.clip(0.5 - distance * radius, 0, 1)[..., None]  # the edge goes through a pixel: part of its colour
    ground, colour = _colours(count, rng)
    pixels = ground + (colour - ground) * cover
    pixels += rng.uniform(0, 15, (count, 1, 1, 1)) * rng.standard_normal(pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _colours(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two colours an image, (count, 1, 1, 3) each, that differ well."""
    ground, colour = rng.uniform(0, 255, (2, count, 1, 1, 3))
    while len(alike := np.flatnonzero(np.linalg.norm(ground - colour, axis=-1) < _CONTRAST)):
        colour[alike] = rng.uniform(0, 255, (len(alike), 1, 1, 3))
    return ground, colour


# Each: the distance from the edge of a shape of radius 1 about the origin, negative inside; u goes right, v down.


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 0.9


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.75) - 0.2


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.8


def _frame(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.maximum(np.abs(u), np.abs(v)) - 0.68) - 0.18


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(v, np.abs(u) * 0.75**0.5 - 0.5 * v) - 0.5


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    wide, narrow = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.maximum(wide - 1, narrow - 0.26)


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    sector = np.pi / _POINTS
    angle = np.abs((np.arctan2(u, -v) + sector) % (2 * sector) - sector)  # from the nearest point's direction
    inner = 0.42 * np.array([np.cos(sector), np.sin(sector)])
    normal = np.array([inner[1], 1 - inner[0]]) / np.hypot(inner[1], 1 - inner[0])
    return np.hypot(u, v) * (np.cos(angle) * normal[0] + np.sin(angle) * normal[1]) - normal[0]


def _bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) - 1, np.abs(v) - 0.3)


def _moon(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.hypot(u, v) - 0.95, 0.8 - np.hypot(u - 0.55, v))


def _pair(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(np.abs(u) - 0.6, v) - 0.38


_SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "frame": _frame,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "bar": _bar,
    "moon": _moon,
    "pair": _pair,
}
