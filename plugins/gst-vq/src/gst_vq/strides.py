"""How a downsampling factor is spread over the levels of an encoder."""

from __future__ import annotations


def split_factor(factor: int, levels: int) -> tuple[int, ...]:
    """`levels` strides whose product is `factor`, as even as its prime factors allow, larger ones first.

    8 over 3 levels: (2, 2, 2); 12 over 2: (4, 3); 2 over 3: (2, 1, 1). `levels` = 0 needs `factor` = 1.
    """
    if levels == 0:
        if factor != 1:
            raise ValueError(f"a factor of {factor} needs at least one level")
        return ()
    strides = [1] * levels
    for prime in sorted(_primes(factor), reverse=True):
        strides[strides.index(min(strides))] *= prime
    return tuple(sorted(strides, reverse=True))


def _primes(number: int) -> list[int]:
    """Prime factors with repetition."""
    found, candidate = [], 2
    while number > 1:
        while number % candidate == 0:
            found.append(candidate)
            number //= candidate
        candidate += 1
    return found
