"""The classifier that metrics read."""

from __future__ import annotations

import pytest
import torch

from gst.batch import collate
from gst.building import build
from gst.errors import DataError, OptionError
from gst.saving import load_component, save_component
from gst.signatures import weights_hash
from gst.training import Settings, StorySource, train

TINY = {"stem_type": "", "channels": [8, 8, 8, 8]}


@pytest.fixture(scope="module")
def data():
    return build("dataset", "story-world", size=32, train=48, val=8, test=8)


@pytest.fixture
def classifier(data):
    torch.manual_seed(0)
    return make(data)


def make(data, **options):
    options = {"model": "resnet10t", "model_options": TINY, "places": len(data.places), "positions": 4, **options}
    return build("scorer", "character-classifier", cast=data.cast, frame_size=data.frame_size, **options)


def test_answers_of_every_head(classifier, data):
    batch = collate(data.split("val")[:3])
    scores = classifier.eval().read(batch.frames)
    shapes = {name: tuple(score.shape) for name, score in scores.items()}
    assert shapes == {
        "features": (3, 5, 8),
        "characters": (3, 5, 9),
        "place": (3, 5, len(data.places)),
        "position": (3, 5, 9, 5),
    }


def test_a_character_may_be_anywhere(classifier, data):
    """Its logit is the log of the mean exponential of the logits at all places; the place is told from their mean."""
    frames = collate(data.split("val")[:1]).frames[0]
    classifier.eval()
    scores = classifier.score(frames)
    grid = classifier.backbone(frames)[-1]
    assert grid.shape[2:] == (2, 2)
    spots = torch.stack([classifier.head["characters"](grid[:, :, i, j]) for i in range(2) for j in range(2)])
    assert torch.allclose(scores["characters"], spots.exp().mean(0).log(), atol=1e-5)
    assert torch.allclose(scores["place"], classifier.head["place"](grid.mean((2, 3))), atol=1e-5)


def test_loss_is_the_negative_log_likelihood_of_all_labels(classifier, data):
    classifier.eval()
    batch = collate(data.split("val")[:4], length=7)
    with torch.no_grad():
        loss = classifier.loss(batch, "main", 0, torch.Generator())
    scores = classifier.read(batch.frames)
    expected, count = 0.0, 0
    for b, t in batch.frame_mask.nonzero().tolist():
        count += 1
        seen = torch.sigmoid(scores["characters"][b, t].double())
        place = torch.softmax(scores["place"][b, t].double(), 0)
        position = torch.softmax(scores["position"][b, t].double(), 1)
        for c in range(9):
            expected -= torch.log(seen[c] if batch.characters[b, t, c] else 1 - seen[c])
            expected -= torch.log(position[c, batch.extras["position"][b, t, c] + 1])
        expected -= torch.log(place[batch.extras["place"][b, t]])
    assert count == 20
    assert float(loss["loss"]) == pytest.approx(float(expected) / count, rel=1e-4)
    assert float(loss["loss"]) == pytest.approx(float(loss["characters"] + loss["place"] + loss["position"]))


def test_learns_places_and_characters(data, step_context):
    torch.manual_seed(0)
    classifier = make(data, model_options={"stem_type": "", "channels": [32, 32, 32, 32]})
    source = StorySource(data.split("train"), batch_size=16, seed=0, unit="frame")
    before = classifier.loss(source.batch(0), "main", 0, torch.Generator())
    train(classifier, source, Settings(steps=60, lr=4e-3), step_context("judge"))
    after = classifier.loss(source.batch(0), "main", 0, torch.Generator())
    assert float(after["place"].detach()) < 0.8 * float(before["place"].detach())
    assert float(after["characters"].detach()) < 0.8 * float(before["characters"].detach())
    assert float(after["loss"].detach()) < 0.8 * float(before["loss"].detach())


def test_saved_and_loaded_it_says_the_same(classifier, data, tmp_path):
    frames = collate(data.split("val")[:2]).frames
    classifier.loss(collate(data.split("train")[:4]), "main", 0, torch.Generator())  # moves the norms' averages
    save_component(classifier.eval(), tmp_path / "saved")
    loaded = load_component(tmp_path / "saved")
    assert weights_hash(loaded) == weights_hash(classifier)
    assert loaded.cast.names == data.cast.names
    for name, score in classifier.read(frames).items():
        assert torch.equal(loaded.read(frames)[name], score)


def test_starts_from_local_weights_once(data, tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(1)
    pretrained = timm.create_model("resnet10t", **TINY)
    save_file(pretrained.state_dict(), tmp_path / "weights.safetensors")
    classifier = make(data, weights=str(tmp_path / "weights.safetensors"), model_options=TINY)
    kernel = classifier.backbone.conv1.weight
    assert not torch.equal(kernel, pretrained.conv1.weight)
    classifier.phases()
    assert torch.equal(kernel, pretrained.conv1.weight)
    with torch.no_grad():
        kernel.zero_()
    classifier.phases()  # training goes on: nothing is read again
    assert not kernel.any()
    save_component(classifier, tmp_path / "saved")
    trained = load_component(tmp_path / "saved")
    trained.phases()
    assert not trained.backbone.conv1.weight.any()


def test_without_extras_it_knows_characters_only(data):
    classifier = make(data, places=0, positions=0).eval()
    story = data.split("val")[0]
    batch = collate([story])
    batch.extras.clear()
    assert set(classifier.read(batch.frames)) == {"features", "characters"}
    assert set(classifier.loss(batch, "main", 0, torch.Generator())) == {"loss", "characters", "char_f1"}


def test_wrong_data(classifier, data):
    batch = collate(data.split("val")[:2])
    del batch.extras["position"]
    with pytest.raises(DataError, match=r"'position'(.|\n)*Leave out the option positions"):
        classifier.loss(batch, "main", 0, torch.Generator())
    batch.characters = None
    with pytest.raises(DataError, match="labels"):
        classifier.loss(batch, "main", 0, torch.Generator())
    with pytest.raises(DataError, match="32x32 pixels, and these are of 48x32"):
        classifier.eval().score(torch.zeros(1, 3, 48, 32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnet10"}, "resnet10t"),
        ({"model_options": {"channel": [8]}}, "channel"),
        ({"stage": 9}, "stage 9"),
        ({"weights": "nowhere.safetensors"}, r"no file nowhere\.safetensors"),
        ({"places": -1}, "places"),
    ],
)
def test_wrong_options(data, options, message):
    with pytest.raises(OptionError, match=message):
        make(data, **options)


def test_plain_stem_only_where_it_fits(data):
    default = make(data, model_options=None)
    assert tuple(default.backbone.conv1.weight.shape) == (64, 3, 7, 7)
    other = make(data, model="mobilenetv3_small_050", model_options=None)
    assert other.eval().read(torch.zeros(1, 1, 3, 32, 32))["features"].isfinite().all()
