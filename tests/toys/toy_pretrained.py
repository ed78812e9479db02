"""Pre-trained transformers of toy size, made on the spot: folders as `save_pretrained` writes them."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from gst.pretrained import quiet_transformers

_TEXT = """
bobo pim zuki tolo ovvi krix wumo lurra doff he she it they both the a and on in at to left right middle back beach
forest town waves sings jumps sleeps holds stands night rain 1 2 3 4 5 : . , !
"""
WORDS = tuple(_TEXT.split())


def toy_model(kind: str, folder: Path) -> Path:
    """A toy "t5", "bert" or "gpt2" with random weights, always the same."""
    folder.mkdir(parents=True)
    marks = {"bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]}.get(kind, ["<pad>", "<unk>", "</s>"])
    vocabulary = {word: i for i, word in enumerate([*marks, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=marks[1]))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.BertPreTokenizer()]
    )
    if kind == "bert":
        around = ("[CLS] $A [SEP]", [("[CLS]", 2), ("[SEP]", 3)])
        names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "model_max_length": 16}
    else:
        around = ("$A </s>" if kind == "t5" else "$A", [("</s>", 2)] if kind == "t5" else [])
        names = {"eos_token": "</s>"}
    inner.post_processor = processors.TemplateProcessing(single=around[0], special_tokens=around[1])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token=marks[0], unk_token=marks[1], **names)
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(0)
        tokenizer.save_pretrained(folder)
        _network(kind, len(vocabulary)).save_pretrained(folder)
    return folder


def _network(kind: str, words: int):
    if kind == "t5":
        config = T5Config(vocab_size=words, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
        return T5ForConditionalGeneration(config)
    if kind == "bert":
        sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        return BertModel(BertConfig(vocab_size=words, max_position_embeddings=16, **sizes))
    ends = {"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 0}
    return GPT2LMHeadModel(GPT2Config(vocab_size=words, n_embd=16, n_layer=1, n_head=2, n_positions=256, **ends))
