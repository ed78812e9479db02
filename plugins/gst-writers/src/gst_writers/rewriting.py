"""Asking a language model for one story until its answer can be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gst.cast import Cast
from gst.kinds import Original, Written
from gst_writers.answer import BadAnswer, read_answer
from gst_writers.journal import Journal, key_of
from gst_writers.prompt import Message, corrected, messages


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    Args:
        text: its answer.
        tokens_in: tokens it read.
        tokens_out: tokens it wrote.
        complete: False where it was cut off.
    """

    text: str
    tokens_in: int
    tokens_out: int
    complete: bool = True


Ask = Callable[[list[Message], int], Reply]
"""(messages, number of the attempt) -> the answer."""


@dataclass(frozen=True)
class Rewriting:
    """How stories are asked for.

    Args:
        ask: asks the model.
        model: what the model is, so that another one's answers are not taken for its own: anything that JSON holds.
        cast: who may be named.
        journal: keeps the answers.
        instructions: in place of the usual ones, or None.
        max_words: longest caption.
        tries: answers asked for before a story has failed.
        seed: part of what is asked.
    """

    ask: Ask
    model: object
    cast: Cast
    journal: Journal
    instructions: str | None
    max_words: int
    tries: int
    seed: int

    def story(self, story: Original) -> Written:
        """One story: from the journal, or from the model. A failure says why the last answer could not be used."""
        asked = messages(story.captions, self.cast, self.instructions)
        key = key_of(self.model, asked, self.max_words, self.seed)
        captions, why, request = self.journal.captions(key), "", asked
        for _ in range(self.tries):
            if captions is not None:
                break
            reply = self.ask(request, self.journal.cost(key)["requests"])
            try:
                if not reply.complete:
                    raise BadAnswer("the answer was cut off before its end")
                captions = read_answer(reply.text, story.captions, self.cast, self.max_words)
            except BadAnswer as error:
                why, request = str(error), corrected(asked, reply.text, str(error))
            self.journal.add(key, captions, why if captions is None else "", reply.tokens_in, reply.tokens_out)
        return Written(captions, "" if captions is not None else why, dict(self.journal.cost(key)))
