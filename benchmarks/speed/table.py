"""The result as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MIB = 2**20


def table(result: Mapping[str, Any]) -> str:
    """What `__main__` writes as JSON, for people."""
    return "\n".join(_lines(result))


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    machine = result["machine"]
    yield f"{machine['processor']}, {machine['threads']} threads, {machine['system']}"
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    yield f"medians (least to most) of {result['rounds']} rounds, all sides in turns"
    for size, found in result["sizes"].items():
        yield ""
        yield f"== width {size} =="
        for group in found["groups"]:
            yield ""
            yield f"{group['title']}: seconds"
            yield from (f"  {name:<44}{_spread(s)}" for name, s in group["seconds"].items())
            yield "ratios"
            yield from (f"  {name:<70}{_spread(r, 2)}{_verdict(r)}" for name, r in group["ratios"].items())
        if "memory" in found:
            yield ""
            yield "peak memory, MiB (above what the imports alone take)"
            yield from (f"  {name:<44}{_memory(sides)}" for name, sides in found["memory"].items())
        yield ""
        yield f"{'parameters and operations':<27}{'M':>9}{'GFLOP a training step':>24}{'GFLOP a story':>16}"
        for name, row in found["counts"].items():
            trained = f"{row['training step'] / 1e9:.1f}" if "training step" in row else "-"
            yield f"  {name:<25}{row['parameters'] / 1e6:>9.1f}{trained:>24}{row['story'] / 1e9:>16.1f}"


def _spread(s: Mapping[str, Any], digits: int = 3) -> str:
    return f"{s['median']:>9.{digits}f}  ({s['min']:.{digits}f} to {s['max']:.{digits}f})"


def _verdict(ratio: Mapping[str, Any]) -> str:
    if ratio["most"] is not None:
        return f"  at most {ratio['most']}: {'kept' if ratio['median'] <= ratio['most'] else 'NOT KEPT'}"
    if ratio["wanted"] is not None:
        return f"  wanted {ratio['wanted']}: {'reached' if ratio['median'] >= ratio['wanted'] else 'NOT REACHED'}"
    return ""


def _memory(sides: Mapping[str, Mapping[str, int]]) -> str:
    shown = (
        f"{name} {bytes_['peak'] / _MIB:.0f} ({(bytes_['peak'] - bytes_['imports']) / _MIB:.0f})"
        for name, bytes_ in sides.items()
    )
    return "   ".join(shown)
