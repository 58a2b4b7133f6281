"""Projector files, read back by TensorBoard's own projector plugin."""

import json

import keras
import numpy as np
import pytest

from tfconv.data import Vocabulary
from tfconv.errors import InputError
from tfconv.interpret import embedding_matrix, write_projector
from tfconv.models import BagOfWordsLinear, TextCNN

WORDS = ["good", "bad", "tab\there", "line\nfeed", "\r", " ", "\u2028", "日本語", "🙂", "don't", "'"]


def projector(directory):
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(directory))
    plugin = ProjectorPlugin(TBContext(logdir=str(directory), data_provider=provider, multiplexer=multiplexer))
    return plugin


def ask(plugin, route, **query):
    from werkzeug.test import EnvironBuilder
    from werkzeug.wrappers import Request, Response

    environ = EnvironBuilder(path=route, query_string={"run": ".", **query}).get_environ()
    return Response.from_app(plugin.get_plugin_apps()[route], Request(environ).environ)


@pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")  # TensorBoard's own import
def test_tensorboard_opens_it(tmp_path):
    vocabulary = Vocabulary(WORDS)
    model = TextCNN(len(vocabulary), embedding_dim=7)
    path = write_projector(model, vocabulary, tmp_path)
    assert path.name == "projector_config.pbtxt"
    plugin = projector(tmp_path)
    config = json.loads(ask(plugin, "/info").data)
    (entry,) = config["embeddings"]
    assert entry["tensorShape"] == [len(vocabulary), 7]
    name = entry["tensorName"]
    lines = ask(plugin, "/metadata", name=name).data.decode().split("\n")
    lines = [line for line in lines if line.strip()]  # as the projector's page reads them
    assert len(lines) == len(vocabulary)
    assert lines[:3] == ["<pad>", "<start>", "<oov>"]
    assert lines[3:8] == ["good", "bad", "tab\\there", "line\\nfeed", "'\\r'"]
    assert not any("\t" in line or "\r" in line for line in lines)
    assert "日本語" in lines and "🙂" in lines
    vectors = np.frombuffer(ask(plugin, "/tensor", name=name, num_rows="999").data, np.float32).reshape(-1, 7)
    np.testing.assert_array_equal(vectors, embedding_matrix(model)[1])


def test_limit_and_plain_token_lists(tmp_path):
    write_projector(TextCNN(50, embedding_dim=2), [f"w{i}" for i in range(40)], tmp_path / "new", limit=10)
    assert len((tmp_path / "new" / "vectors.tsv").read_text().splitlines()) == 10
    assert (tmp_path / "new" / "metadata.tsv").read_text().splitlines() == [f"w{i}" for i in range(10)]


def test_embedding_inside_an_inner_model():
    inner = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(9, 4)])
    outer = keras.Sequential([keras.Input((None,)), inner, keras.layers.GlobalMaxPooling1D()])
    assert embedding_matrix(outer)[1].shape == (9, 4)


@pytest.mark.parametrize(
    ("model", "message"),
    [(lambda: BagOfWordsLinear(20), "no embedding layer"), (lambda: TextCNN(5), "5 rows, the vocabulary 14 tokens")],
)
def test_input_errors(tmp_path, model, message):
    with pytest.raises(InputError, match=message):
        write_projector(model(), Vocabulary(WORDS), tmp_path / "out")
    assert not (tmp_path / "out").exists()
