"""CIFAR-10 in small: 20 images a file instead of 10,000, in the forms that the official files have."""

import io
import pickle
import struct
import tarfile

import numpy as np

COUNT = 20
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, COUNT, 3072), np.uint8)
LABELS = np.stack([np.random.default_rng(number).permutation(np.arange(COUNT) % 10) for number in range(6)])
GLOBALS = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"


def py2(value):
    """What Python 2 and its NumPy write: byte strings, and the arrays of `numpy.core`."""
    if isinstance(value, str):
        return b"U" + bytes([len(value)]) + value.encode()
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(py2, value)) + b"e"
    if isinstance(value, np.ndarray):
        return array(value.tobytes(), *value.shape)
    return b"}q\x01(" + b"".join(py2(key) + py2(item) for key, item in value.items()) + b"u"


def array(content, rows, columns, code=b"U\x02u1", state=b"\x89", names=GLOBALS, text=None):
    text = b"T" + struct.pack("<i", len(content)) + content if text is None else text
    return (
        names + b"K\x00\x85U\x01b\x87Rq\x02(K\x01" + py2(rows) + py2(columns) + b"\x86cnumpy\ndtype\n" + code
        + b"K\x00K\x01\x87Rq\x03(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + state + text + b"tb"
    )  # fmt: skip


def dumped(value):
    return b"\x80\x02" + py2(value) + b"."


def batch(number):
    return {"batch_label": "a batch", "labels": LABELS[number].tolist(), "data": PIXELS[number], "filenames": ["a.png"]}


def pickled(dump=dumped):
    meta = {"num_cases_per_batch": 10000, "label_names": list(NAMES), "num_vis": 3072}
    return {name: dump(batch(number)) for number, name in enumerate(FILES)} | {"batches.meta": dump(meta)}


def binary():
    rows = np.concatenate([LABELS[..., None].astype(np.uint8), PIXELS], axis=2)
    files = {f"{name}.bin": rows[number].tobytes() for number, name in enumerate(FILES)}
    return files | {"batches.meta.txt": ("\n".join(NAMES) + "\n\n").encode()}


def tarball(files, top):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def numpy2(value, protocol):
    return pickle.dumps({key.encode(): item for key, item in value.items()}, protocol=protocol)
