"""Another rival: an autoregressive decoder with a cache of keys and values (transformers' GPT-2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .size import Size


class Decoder:
    """A GPT-2 of random weights that draws the frames of a story side by side, token after token.

    Every frame is told its own caption only, as a prefix: less than the others are told, so less to compute.

    Args:
        size: width, depth and heads; its heads always have width / heads dimensions.
        bf16: weights in bfloat16, the fastest way on a CPU.
    """

    def __init__(self, size: Size, *, bf16: bool) -> None:
        from transformers import GPT2Config, GPT2Model

        torch.manual_seed(0)
        self.size = size
        self.config = GPT2Config(
            vocab_size=size.vocab,
            n_positions=size.words + size.grid**2,
            n_embd=size.dim,
            n_layer=size.depth,
            n_head=size.heads,
            bos_token_id=None,
            eos_token_id=None,
            attn_implementation="sdpa",
        )
        dtype = torch.bfloat16 if bf16 else torch.float32
        self.model = GPT2Model(self.config).eval().to(dtype)
        self.word = nn.Linear(size.word_dim, size.dim, bias=False).to(dtype)
        self.features = torch.randn(size.frames, size.words, size.word_dim).to(dtype)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in [*self.model.parameters(), *self.word.parameters()])

    def sampling(self, tokens: int, *, guided: bool) -> Callable[[], Tensor]:
        """Draw so many tokens of each frame; guided: with as many frames again, told nothing, in the same passes."""
        from transformers import StaticCache

        told = [self.features, torch.zeros_like(self.features)] if guided else [self.features]

        @torch.no_grad()
        def draw() -> Tensor:
            cache = StaticCache(config=self.config, max_cache_len=self.config.n_positions)
            out = self.model(inputs_embeds=self.word(torch.cat(told)), past_key_values=cache, use_cache=True)
            ids: list[Tensor] = []
            for _ in range(tokens):
                logits = (out.last_hidden_state[:, -1] @ self.model.wte.weight.mT).float()
                if guided:
                    text, null = logits.chunk(2)
                    logits = 3 * text - 2 * null
                ids.append(logits.softmax(-1).multinomial(1))
                if len(ids) < tokens:
                    following = torch.cat([ids[-1]] * len(told))
                    out = self.model(input_ids=following, past_key_values=cache, use_cache=True)
            return torch.cat(ids, 1)

        return draw
