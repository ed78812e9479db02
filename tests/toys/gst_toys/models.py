import json

import torch

from gst.component import Bound
from gst.condition import Text, TextSpec
from gst.errors import CheckpointError
from gst.kinds import MaskedPrior, Prior, TextEncoder, Tokenizer
from gst.latents import Latents, LatentSpec
from gst_toys.numbers import START


class ToyText(TextEncoder):
    """Counts words.

    Args:
        length: words a caption may have.
    """

    def __init__(self, *, length: int = 4) -> None:
        self.length, self.words = length, 0

    @property
    def spec(self):
        return TextSpec("ids", self.length, vocab=10)

    def fit(self, captions):
        self.words = sum(len(caption.split()) for caption in captions)
        return {"words": float(self.words)}

    def encode(self, captions):
        shape = (len(captions), len(captions[0]), self.length)
        return Text(torch.zeros(shape, dtype=torch.int64), torch.ones(shape, dtype=torch.bool))

    def save_state(self, folder):
        (folder / "words.json").write_text(json.dumps(self.words))

    def load_state(self, folder):
        try:
            self.words = json.loads((folder / "words.json").read_text())
        except OSError as error:
            raise CheckpointError("no words") from error


class ToyTokenizer(Tokenizer):
    """Mean brightness.

    Args:
        vocab: number of ids.
    """

    def __init__(self, *, vocab: int = 4) -> None:
        super().__init__()
        self.vocab = vocab
        self.number = torch.nn.Parameter(torch.tensor(START))

    @property
    def spec(self):
        return LatentSpec("ids", (1, 1), vocab=self.vocab, frame_size=(8, 8))

    def encode(self, frames):
        ids = ((frames.mean((2, 3, 4)) + 1) / 2 * (self.vocab - 1)).round().long()
        return Latents(ids[..., None, None], self.spec)

    def decode(self, latents):
        grey = latents.data[:, :, None] / (self.vocab - 1) * 2 - 1
        return grey.expand(*grey.shape[:2], 3, 8, 8)

    def loss(self, batch, phase, step, generator):
        return {"loss": self.number**2}


class ToyPrior(MaskedPrior):
    """One number.

    Args:
        dim: anything even.
        characters: whether it takes characters.
        drop_text: how often text is dropped.
    """

    def __init__(
        self, *, dim: int = 2, characters: bool = False, drop_text: float = 0.0, latents: Bound[LatentSpec]
    ) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"dim {dim} is odd")
        self.latents, self.dim = latents, dim
        self.number = torch.nn.Parameter(torch.tensor(START))

    @classmethod
    def declared_characters(cls, options):
        return options["characters"]

    @classmethod
    def declared_drops(cls, options):
        return {"text": options["drop_text"]}

    def begin(self, condition):
        return {}

    def predict(self, state, x, t):
        return torch.zeros(*x.shape, self.latents.vocab) + self.number, state

    def loss(self, batch, phase, step, generator):
        return {"loss": self.number**2}


class ToyStream(Prior):
    """One number."""

    family = "autoregressive"

    def begin(self, condition):
        return {}

    def predict(self, state, x, t):
        return x, state

    def loss(self, batch, phase, step, generator):
        return {"loss": torch.zeros(())}
