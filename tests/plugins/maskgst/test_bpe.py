from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gst
from gst.errors import CheckpointError, DataError, OptionError, UsageError
from gst.saving import load_component, save_component
from gst_maskgst.bpe import Bpe

CORPUS = [
    "Pororo walks in the snowy forest.",
    "He meets Loopy; they walk in the forest!",
    "Loopy bakes a cake, and Pororo's friends eat the cake.",
    "Eddy and Crong walk home in the snow.",
] * 3


@pytest.fixture(scope="module")
def bpe() -> Bpe:
    text = Bpe(vocab_size=330, length=24)
    text.fit(CORPUS)
    return text


def test_fit_learns_words_and_says_what_it_found() -> None:
    text = Bpe(vocab_size=320, length=24)
    numbers = text.fit(iter(CORPUS))
    assert numbers["vocabulary"] == text.spec.vocab == 320
    assert numbers["longest"] == max(text.count(c) for c in CORPUS)
    assert numbers["too_long"] == 0
    assert text.spec.kind == "ids"
    assert text.spec.length == 24
    assert text.count("forest") == 1
    assert Bpe(vocab_size=257).fit(CORPUS)["vocabulary"] == 257


def test_encode_pads_to_length_and_masks(bpe: Bpe) -> None:
    stories = [[CORPUS[0], CORPUS[1], ""], [CORPUS[2], "", ""]]
    text = bpe.encode(stories)
    assert text.data.shape == text.mask.shape == (2, 3, 24)
    assert text.data.dtype == torch.int64
    assert text.mask.dtype == torch.bool
    for b, story in enumerate(stories):
        for t, caption in enumerate(story):
            row, mask = text.data[b, t], text.mask[b, t]
            n = bpe.count(caption)
            assert mask.tolist() == [True] * n + [False] * (24 - n)
            assert (row[n:] == 0).all()
            assert (row[:n] > 0).all()
            assert torch.equal(row, bpe.encode([[caption]]).data[0, 0])  # whatever it is encoded with


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=6), max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_text_comes_back(bpe: Bpe, words: list[str]) -> None:
    import unicodedata

    text = Bpe(vocab_size=330, length=400)
    text._tokenizer = bpe._tokenizer
    caption = " ".join(words)
    back = text.decode(text.encode([[caption]]).data[0, 0].tolist())
    expected = unicodedata.normalize("NFC", caption).lower()
    assert "".join(back.split()) == "".join(expected.split())


def test_a_word_has_the_same_tokens_everywhere(bpe: Bpe) -> None:
    alone = bpe.encode([["forest"]]).data[0, 0, 0]
    for caption in ("FOREST walk", "walk in the Forest", "walk,forest!", "the ‘forest’"):
        assert alone in bpe.encode([[caption]]).data
    cased = Bpe(vocab_size=330, length=24, lowercase=False)
    cased.fit(CORPUS)
    assert cased.decode(cased.encode([["Loopy"]]).data[0, 0].tolist()) == "Loopy"


def test_the_same_captions_give_the_same_merges_in_any_order_and_process(tmp_path) -> None:
    code = (
        "import sys, pathlib; from gst_maskgst.bpe import Bpe; "
        "t = Bpe(vocab_size=330); t.fit(eval(sys.argv[1])); t.save_state(pathlib.Path(sys.argv[2]))"
    )
    saved = []
    for i, corpus in enumerate([CORPUS, CORPUS[::-1]]):
        folder = tmp_path / str(i)
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": str(i)}
        subprocess.run([sys.executable, "-c", code, repr(corpus), str(folder)], check=True, env=environment)
        saved.append((folder / "tokenizer.json").read_bytes())
    assert saved[0] == saved[1]


def test_cuts_are_counted_in_one_line(bpe: Bpe, capsys: pytest.CaptureFixture[str]) -> None:
    text = Bpe(vocab_size=330, length=8)
    long = sum(bpe.count(caption) > 8 for caption in CORPUS)
    assert text.fit(CORPUS)["too_long"] == long > 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"cut {long} captions to 8 tokens" in said
    for caption in CORPUS:  # the corpus again, in as many calls as one likes: nothing new to say
        assert text.encode([[caption]]).mask.all() == (bpe.count(caption) >= 8)
    assert capsys.readouterr().err == ""
    for _ in range(5):
        text.encode([CORPUS])
    assert capsys.readouterr().err.count("\n") == 2  # the count has doubled twice


def test_too_long_is_an_error_by_option() -> None:
    with pytest.raises(DataError, match="longest has"):
        Bpe(vocab_size=330, length=8, too_long="error").fit(CORPUS)
    text = Bpe(vocab_size=330, length=24, too_long="error")
    text.fit(CORPUS)
    with pytest.raises(DataError, match="24 tokens"):
        text.encode([["walk " * 30]])


def test_saved_and_loaded_is_the_same(tmp_path) -> None:
    text = gst.build("text", "bpe", vocab_size=330, length=24)
    text.fit(CORPUS)
    save_component(text, tmp_path)
    again = load_component(tmp_path)
    assert again.spec == text.spec
    assert torch.equal(again.encode([CORPUS]).data, text.encode([CORPUS]).data)
    assert again.unknown_words("Pororo meets a dragon") == text.unknown_words("Pororo meets a dragon") == ["dragon"]


def test_mistakes(tmp_path) -> None:
    with pytest.raises(UsageError, match="learned nothing"):
        Bpe().encode([["a"]])
    with pytest.raises(CheckpointError, match="missing"):
        Bpe().load_state(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "words.txt").write_text("")
    with pytest.raises(CheckpointError, match="not a tokenizer"):
        Bpe().load_state(tmp_path)
    with pytest.raises(OptionError, match="vocab_size"):
        gst.build("text", "bpe", vocab_size=100)
