"""What is done about captions that do not fit into the rows a text component has."""

from __future__ import annotations

import sys
from typing import Literal

from gst.errors import DataError

TooLong = Literal["cut", "error"]


class Overlong:
    """Counts captions that are too long and says so, or refuses them.

    Args:
        use: name of the text component, for messages.
        length: tokens that fit.
        policy: "cut": a line on stderr counts them, when the corpus is learned and whenever the count has doubled
            since; "error": they are refused.
    """

    def __init__(self, use: str, length: int, policy: TooLong) -> None:
        self.use, self.length, self.policy = use, length, policy
        self._cut = self._reported = 0

    def found(self, count: int, longest: int, caption: str) -> None:
        """`count` captions do not fit; the longest of them has `longest` tokens.

        Raises:
            DataError: by policy.
        """
        if self.policy == "error":
            raise DataError(
                f"{count} captions do not fit into the {self.length} tokens of text '{self.use}'; the longest has "
                f"{longest}: {caption!r}",
                hint="Shorten it, or set length higher, or too_long: cut.",
            )
        self._cut += count
        if self._cut >= 2 * self._reported:
            print(
                f"text '{self.use}' cut {self._cut} captions to {self.length} tokens; one has {longest}",
                file=sys.stderr,
            )
            self._reported = self._cut

    def in_corpus(self, count: int, longest: int, caption: str) -> None:
        """As `found`, of the whole corpus: the same captions need no second line when they are encoded."""
        self._cut = self._reported = 0
        if count:
            self.found(count, longest, caption)
            self._cut = 0
