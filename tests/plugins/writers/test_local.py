"""Writer `llm-local`, with a toy that knows one sentence after another, and one that knows nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import gst
from gst.errors import DataError
from gst.kinds import Original
from gst.pretrained import quiet_transformers

ANSWER = ["1", ".", "Bobo", "leaps", "up", "\n", "2", ")", "Pim", "rests", "</s>"]
STORY = Original("a", ("Bobo jumps.", "Pim sleeps."))


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 whose every token decides the next one: after ":" comes the answer."""
    folder = tmp_path_factory.mktemp("parrot")
    words = ["<unk>", ":", *ANSWER]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="</s>")
    size = 16
    ends = {"bos_token_id": len(words) - 1, "eos_token_id": len(words) - 1}
    config = GPT2Config(
        vocab_size=len(words), n_embd=size, n_layer=1, n_head=1, n_positions=600, tie_word_embeddings=False, **ends
    )
    with torch.random.fork_rng(devices=[]), quiet_transformers(), torch.no_grad():
        net = GPT2LMHeadModel(config)
        for name, parameter in net.named_parameters():
            parameter.fill_(1.0 if name.endswith("ln_f.weight") else 0.0)
        for i in range(len(words)):
            net.transformer.wte.weight[i, i] = 1.0
            net.lm_head.weight[min(i + 1, len(words) - 1), i] = 20.0
        net.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def write(folder: Path, cast: Any, work: Path, stories: list[Original], seed: int = 0, **options: Any) -> list[Any]:
    writer: Any = gst.build("writer", "llm-local", model=str(folder), **options)
    return list(writer.write(stories, cast=cast, seed=seed, work=work, device=torch.device("cpu")))


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_model_on_this_machine_writes(parrot: Path, cast: Any, tmp_path: Path, temperature: float) -> None:
    (written,) = write(parrot, cast, tmp_path, [STORY], temperature=temperature)
    assert written.captions == ("Bobo leaps up", "Pim rests")
    assert written.cost["requests"] == 1
    assert written.cost["tokens_out"] == len(ANSWER)
    assert write(parrot, cast, tmp_path, [STORY], temperature=temperature) == [written]


def test_a_chat_template_is_used(parrot: Path, cast: Any, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(parrot, tmp_path / "chat")
    template = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }}\n{% endfor %}assistant :"
    (folder / "chat_template.jinja").write_text(template)
    (written,) = write(folder, cast, tmp_path / "work", [STORY])
    assert written.captions == ("Bobo leaps up", "Pim rests")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %} nothing")
    (silent,) = write(folder, cast, tmp_path / "silent", [STORY], tries=1, max_tokens=12)
    assert silent.captions is None


def test_nonsense_is_refused_and_the_same_each_time(
    toy_model: Callable[[str], Path], cast: Any, tmp_path: Path
) -> None:
    story = Original("b", ("Bobo waves.",))
    before = torch.get_rng_state()
    options: dict[str, Any] = {"tries": 2, "max_tokens": 8, "instructions": "Anew."}
    runs = [write(toy_model("gpt2"), cast, tmp_path / str(i), [story], **options) for i in range(2)]
    assert runs[0] == runs[1]
    assert runs[0][0].captions is None
    assert runs[0][0].cost["requests"] == 2
    journals = [(tmp_path / str(i) / "answers.jsonl").read_text() for i in range(2)]
    assert journals[0] == journals[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_no_language_model_is_refused(toy_model: Callable[[str], Path], cast: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        write(tmp_path / "none", cast, tmp_path, [STORY])
    with pytest.raises(DataError, match="no language model that can be read"):
        write(toy_model("t5"), cast, tmp_path, [STORY])
    long = Original("c", ("Bobo waves again and again. " * 80,))
    with pytest.raises(DataError, match="reads 256 tokens, and the request has"):
        write(toy_model("gpt2"), cast, tmp_path, [long])
