"""Made-up film reviews whose label lies in the order of the words alone; for the demo and the tests."""

import random

import numpy as np

from tfconv.data.examples import TextData, TextExamples
from tfconv.data.splits import stratified_parts
from tfconv.errors import InputError

__all__ = ["synthetic_reviews"]

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
    """Make reviews of 10 to 40 words in which only the order of the words tells whether the opinion is good.

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
    return TextData("synthetic_reviews", ("neg", "pos"), False, examples)


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
