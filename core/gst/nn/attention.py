"""Multi-head attention with padding masks, and keys and values that are computed once and used again."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gst.nn.linear import Linear, autocast_dtype


class KeyValue(NamedTuple):
    """Keys and values of some rows, ready to be attended to.

    Args:
        key: (B, heads, S, head_dim).
        value: (B, heads, S, head_dim).
    """

    key: Tensor
    value: Tensor

    def join(self, other: KeyValue) -> KeyValue:
        """These rows, then the others."""
        return KeyValue(torch.cat([self.key, other.key], 2), torch.cat([self.value, other.value], 2))


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) over `scaled_dot_product_attention`.

    Queries come from one call, keys and values from another (`project`), so that what does not change between decoding
    steps is projected once. For self-attention project the rows themselves.

    Args:
        dim: width D of the rows.
        heads: number of heads.
        head_dim: width of a head; heads * head_dim need not be D.
        qk_norm: layer norm on every head's queries and keys (Dehghani et al. 2023). Keeps attention logits in range at
            high learning rates.
        null: a learned key and value that every query also sees, so that a query without any visible row has
            something to attend to (Muse; Chang et al. 2023).
    """

    def __init__(self, dim: int, heads: int, head_dim: int, *, qk_norm: bool = True, null: bool = False) -> None:
        super().__init__()
        inner = heads * head_dim
        self.heads, self.head_dim = heads, head_dim
        self.query = Linear(dim, inner, bias=False)
        self.key = Linear(dim, inner, bias=False)
        self.value = Linear(dim, inner, bias=False)
        self.out = Linear(inner, dim, bias=False)
        self.query_norm = nn.LayerNorm(head_dim, bias=False) if qk_norm else nn.Identity()
        self.key_norm = nn.LayerNorm(head_dim, bias=False) if qk_norm else nn.Identity()
        self.null = nn.Parameter(torch.randn(2, heads, 1, head_dim) * head_dim**-0.5) if null else None

    def project(self, rows: Tensor) -> KeyValue:
        """rows (B, S, D) -> their keys and values; with `null`, the null row comes first (S + 1)."""
        key, value = self._split(self.key(rows)), self._split(self.value(rows))
        if self.null is not None:
            null_key, null_value = self.null.to(key.dtype).unsqueeze(1).expand(2, len(rows), -1, -1, -1)
            key, value = torch.cat([null_key, key], 2), torch.cat([null_value, value], 2)
        return KeyValue(self.key_norm(key), value)

    def forward(self, x: Tensor, seen: KeyValue, mask: Tensor | None = None) -> Tensor:
        """Attend from `x` to the rows of `seen`.

        Args:
            x: (B, Q, D).
            seen: from `project`, S rows.
            mask: bool (B, S), True where a row may be seen; every story must have one. None means all.

        Returns:
            (B, Q, D).
        """
        return self.answer(attend(self.ask(x), seen.key, seen.value, mask))

    def ask(self, x: Tensor) -> Tensor:
        """rows (B, Q, D) -> their queries (B, heads, Q, head_dim), for `attend`."""
        query: Tensor = self.query_norm(self._split(self.query(x)))
        return query

    def answer(self, mixed: Tensor) -> Tensor:
        """What `attend` gave, (B, heads, Q, head_dim) -> rows (B, Q, D)."""
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def nothing(self) -> Tensor:
        """What a query gets that sees the null row only: (D,). Softmax over one row is 1, so no query is needed."""
        if self.null is None:
            raise ValueError("this attention has no null row")
        out: Tensor = self.out(self.null[1].flatten())
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, self.head_dim).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """`scaled_dot_product_attention`, and the same by hand where its backward pass is slow.

    On a CPU, torch 2.13 takes three times as long for bfloat16 attention with its backward pass as for the matrix
    products it is made of (40 against 12 ms for 20 frames of 113 rows, 4 heads of 64, one core). Without a backward
    pass it is the faster of the two.

    Args:
        query: (B, heads, Q, head_dim).
        key: (B, heads, S, head_dim).
        value: (B, heads, S, head_dim).
        mask: bool (B, S), True where a row may be seen; None means all.

    Returns:
        (B, heads, Q, head_dim).
    """
    if not (query.is_cpu and query.dtype == torch.bfloat16 and torch.is_grad_enabled()):
        visible = None if mask is None else mask[:, None, None]
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    bias = query.new_zeros(1, 1, 1)
    if mask is not None:
        bias = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
        bias = bias.repeat_interleave(query.shape[1], 0).unsqueeze(1)
    flat_query, flat_key, flat_value = (part.flatten(0, 1) for part in (query, key, value))
    logits = torch.baddbmm(bias, flat_query, flat_key.mT, alpha=query.shape[-1] ** -0.5)
    return torch.bmm(logits.softmax(-1), flat_value).view_as(query)


def as_autocast(x: Tensor) -> Tensor:
    """`x` in the type that matrix products will want it in, so that several of them share one conversion."""
    dtype = autocast_dtype(x.device)
    return x if dtype is None else x.to(dtype)
