"""A plugin of tiny components, for tests of recipes, the graph, the store and runs."""

from gst import hookimpl


@hookimpl
def gst_register(registry):
    add = registry.add
    add("dataset", "toy-data", "gst_toys.data:ToyData", summary="Grey frames")
    add("text", "toy-text", "gst_toys.models:ToyText", summary="Counts words")
    add("tokenizer", "toy-tokenizer", "gst_toys.models:ToyTokenizer", summary="Mean brightness")
    add("prior", "toy-prior", "gst_toys.models:ToyPrior", summary="One number, masked")
    add("prior", "toy-stream", "gst_toys.models:ToyStream", summary="One number, autoregressive")
    add("sampler", "toy-sampler", "gst_toys.sampling:ToySampler", summary="Zeros, for masked priors")
    add("guidance", "toy-guidance", "gst_toys.sampling:ToyGuidance", summary="Asks for what it is told to ask for")
    add("step", "toy-train", "gst_toys.steps:ToyTrain", summary="Draws the number from the seed")
    add("step", "toy-fit", "gst_toys.steps:ToyFit", summary="Fits a text component")
    add("step", "toy-count", "gst_toys.steps:ToyCount", summary="Counts stories")
    add("step", "toy-draw", "gst_toys.steps:ToyDraw", summary="A row about prior, sampler and data")
    add("step", "toy-join", "gst_toys.steps:ToyJoin", summary="Adds up tables")
    add("step", "toy-slow", "gst_toys.steps:ToySlow", summary="Works in small parts, each kept")
    add("step", "toy-fail", "gst_toys.steps:ToyFail", summary="Fails as it is told")
    add("step", "toy-page", "gst_toys.steps:ToyPage", summary="Writes index.html every time")
