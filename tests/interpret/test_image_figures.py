"""Figures of images: the pixels that were given, captions that are true and can be read, counts as NumPy counts."""

import numpy as np
import pytest
from drawn_texts import check

from tfconv import InputError
from tfconv.interpret import confidence_figure, predictions_figure, samples_figure

NAMES = ["cat", "dog", "bird"]
LONG = [f"a very long class name, number {i}, of $20$ ☃ 漢字 🙂" for i in range(30)]


def random_images(count, shape=(8, 8, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def shares(count, classes, seed=0):
    values = np.random.default_rng(seed).random((count, classes)) ** 4 + 1e-9
    return values / values.sum(axis=1, keepdims=True)


def drawn(figure):
    return [axes.images[0].get_array() for axes in figure.axes]


def captions(figure):
    return check(figure)[1:]  # the title is drawn first


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_samples_are_the_pixels_and_their_names(channels):
    images, labels = random_images(7, (6, 9, channels)), np.arange(7) % 3
    figure = samples_figure(images, labels, NAMES)
    for array, image in zip(drawn(figure), images, strict=True):
        np.testing.assert_array_equal(array, image[..., 0] if channels == 1 else image)
    assert check(figure) == ["7 images, 3 of 3 classes", *(NAMES[i] for i in labels)]
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(0, 255)] * 7  # a dark image stays dark


def test_one_image_with_a_title():
    assert check(samples_figure(random_images(1), [1], NAMES, title="runs/$x$")) == [
        r"runs/\$x\$: 1 image, 1 of 3 classes",
        "dog",
    ]


def test_several_labels_an_image_or_none():
    labels = np.array([[1, 0, 1], [0, 0, 0]], np.float32)
    assert captions(samples_figure(random_images(2), labels, NAMES)) == ["cat", "bird", "(no label)"]
    many = np.ones((1, 30))
    assert captions(samples_figure(random_images(1), many, [str(i) for i in range(30)])) == [
        "0",
        "1",
        "2",
        "and 27 more",
    ]


def test_images_of_all_sizes_keep_their_aspect():
    images = [random_images(1, shape)[0] for shape in [(8, 8, 3), (40, 4, 3), (5, 60, 3), (300, 200, 3)]]
    figure = samples_figure(images, [0, 1, 2, 0], NAMES)
    check(figure)
    for axes, image in zip(figure.axes, images, strict=True):
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(image.shape[0] / image.shape[1], rel=0.02)


@pytest.mark.parametrize("classes", [2, 30])
@pytest.mark.parametrize("several", [False, True])
def test_long_names_are_told_apart_and_can_be_read(classes, several):
    labels = np.arange(12) % classes
    labels = np.eye(classes)[labels] if several else labels
    figure = predictions_figure(random_images(12), labels, shares(12, classes), LONG[:classes])
    named = {text.split(" ", 1)[1] for text in captions(figure) if text.startswith("truth: ")}
    assert several or len(named) == min(classes, 12)
    check(confidence_figure(random_images(12), labels, shares(12, classes), LONG[:classes]))


def test_predictions_name_answer_probability_and_truth():
    probabilities = [[0.7, 0.2, 0.1], [0.1, 0.004, 0.896], [0.5, 0.3, 0.2]]
    figure = predictions_figure(random_images(3), [0, 1, 0], probabilities, NAMES)
    texts = check(figure)
    assert texts[0] == "2 of 3 right"
    assert texts[1:] == ["✓ cat 70 %", "truth: cat", "✗ bird 90 %", "truth: dog", "✓ cat 50 %", "truth: cat"]
    widths = [axes.spines["left"].get_linewidth() for axes in figure.axes]
    assert widths[1] > 2 * widths[0] and widths[0] == widths[2]  # right and wrong differ by more than a colour


@pytest.mark.parametrize("form", [np.ravel, lambda p: p[:, None], lambda p: np.stack([1 - p, p], axis=1)])
def test_two_classes_of_one_probability(form):
    figure = predictions_figure(
        random_images(2, (8, 8, 1)), np.array([[1], [1]]), form(np.array([0.9, 0.2])), ["no", "yes"]
    )
    assert captions(figure) == ["✓ yes 90 %", "truth: yes", "✗ no 80 %", "truth: yes"]


def test_each_of_several_labels_is_judged():
    labels = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]])
    probabilities = [[0.9, 0.3, 0.6], [0.1, 0.2, 0.8], [0.1, 0.1, 0.1]]
    texts = check(predictions_figure(random_images(3), labels, probabilities, NAMES))
    assert texts[0].startswith("2 of 3 right")
    assert texts[1:] == ["✓ cat 90 %", "✗ bird 60 %", "– dog 30 %", "✓ bird 80 %", "✓ (no label)"]


@pytest.mark.parametrize("several", [False, True])
def test_counts_and_choice_of_the_four_cases(several):
    count = 200
    rng = np.random.default_rng(1)
    probabilities = rng.random((count, 3)) if several else shares(count, 3)
    labels = (rng.random((count, 3)) < 0.4).astype(np.float32) if several else rng.integers(0, 3, count)
    images = random_images(count)
    figure = confidence_figure(images, labels, probabilities, NAMES, count=4, sure=0.6)
    if several:
        right = ((probabilities > 0.5) == (labels == 1)).all(axis=1)
        confidence = np.where(probabilities > 0.5, probabilities, 1 - probabilities).min(axis=1)
    else:
        right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    expected, texts = [], check(figure)
    for heading, wanted, sure in [
        ("Right and sure", True, True),
        ("Right but unsure", True, False),
        ("Wrong but sure", False, True),
        ("Wrong and unsure", False, False),
    ]:
        rows = [i for i in range(count) if right[i] == wanted and (confidence[i] >= 0.6) == sure]
        assert sum(text.startswith(f"{heading}: {len(rows)} of 200 (") for text in texts) == 1
        expected += sorted(rows, key=lambda i: -confidence[i] if sure else confidence[i])[:4]  # noqa: B023
    np.testing.assert_array_equal(drawn(figure), images[expected])


def test_cases_without_images_take_no_room():
    images, probabilities = random_images(2), [[0.9, 0.1, 0], [0.85, 0.1, 0.05]]
    few = confidence_figure(images, [0, 0], probabilities, NAMES)
    both = confidence_figure(images, [0, 1], probabilities, NAMES)
    assert any(text.startswith("Wrong but sure: 0 of 2 (0 %)") for text in check(few))
    assert few.get_figheight() < both.get_figheight() - 1


def test_only_the_images_shown_are_read():
    read = []

    class Lazy:
        def __len__(self):
            return 500

        def __getitem__(self, i):
            read.append(i)
            return random_images(1, seed=int(i))[0]

    confidence_figure(Lazy(), np.zeros(500, int), shares(500, 3), NAMES, count=2)
    assert 4 <= len(read) <= 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": random_images(3).astype(np.float32)}, "number 0 is float32"),
        ({"images": random_images(3)[..., :2]}, "1, 3 or 4 channels"),
        ({"images": random_images(2)}, "2 images and 3 labels"),
        ({"labels": [0, 1, 3]}, "there is no class 3"),
        ({"labels": [0, -1, 2]}, "there is no class -1"),
        ({"labels": np.zeros((3, 2))}, "labels must be"),
        ({"probabilities": [[2.0, -1, 0]] * 3}, "from 0 to 1"),
        ({"probabilities": [[np.nan, 1, 0]] * 3}, "from 0 to 1"),
        ({"probabilities": np.zeros((3, 4))}, "do not fit 3 images of 3 classes"),
        ({"images": random_images(0), "labels": [], "probabilities": np.zeros((0, 3))}, "images"),
    ],
)
def test_mistakes(change, message):
    arguments = {"images": random_images(3), "labels": [0, 1, 2], "probabilities": shares(3, 3), "class_names": NAMES}
    arguments |= change
    for draw in (predictions_figure, confidence_figure):
        with pytest.raises(InputError, match=message):
            draw(**arguments)
    del arguments["probabilities"]
    if "probabilities" not in change or "images" in change:
        with pytest.raises(InputError, match=message):
            samples_figure(**arguments)


def test_numbers_out_of_range():
    with pytest.raises(InputError, match="1 to 400 images, got 401"):
        samples_figure(random_images(401), np.zeros(401, int), NAMES)
    for argument in ({"count": 0}, {"count": 101}, {"sure": 0.4}, {"sure": 1.5}):
        with pytest.raises(InputError, match=next(iter(argument))):
            confidence_figure(random_images(3), [0, 1, 2], shares(3, 3), NAMES, **argument)


def test_neither_tensorflow_nor_pyplot_is_loaded():
    import subprocess
    import sys

    code = "import sys, tfconv.interpret as i; i.samples_figure; i.curves_figure; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "matplotlib" in loaded and not {"tensorflow", "keras", "matplotlib.pyplot"} & loaded
