"""What is wrong with a recipe although every name and option in it is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from gst.component import Component
from gst.errors import DataError, OptionError
from gst.kinds import Dataset, Guidance, Prior, Sampler, TextEncoder, Trainable
from gst.recipe.spec import Recipe, Ref, Spec, parts
from gst.registry import Registry, suggest

Report = Callable[[str, str], None]


def needs(recipe: Recipe, name: str) -> list[str]:
    """Names that a component or step refers to directly, in order."""
    spec = recipe.steps.get(name) or recipe.components[name]
    return list(dict.fromkeys(ref.name for _, ref in deep_parts(spec) if isinstance(ref, Ref)))


def deep_parts(spec: Spec, path: str = "") -> Iterator[tuple[str, Ref | Spec]]:
    """All references of a spec and of the inline components inside, with their full paths."""
    for below, part in spec.parts():
        yield f"{path or spec.where}.{below}", part
        if isinstance(part, Spec):
            yield from deep_parts(part, f"{path or spec.where}.{below}")


def check_cycles(recipe: Recipe, report: Report) -> bool:
    """Report each circle of references once. Returns whether there are none."""
    done: set[str] = set()
    clean = True

    def visit(name: str, chain: list[str]) -> None:
        nonlocal clean
        if name in chain:
            circle = [*chain[chain.index(name) :], name]
            section = "steps" if name in recipe.steps else "components"
            report(f"{section}.{name}", f"goes in a circle: {' -> '.join(circle)}")
            clean = False
            return
        if name in done or (name not in recipe.steps and name not in recipe.components):
            return
        for each in needs(recipe, name):
            visit(each, [*chain, name])
        done.add(name)

    for name in (*recipe.components, *recipe.steps):
        visit(name, [])
    return clean


def check_meaning(recipe: Recipe, registry: Registry, report: Report) -> list[str]:
    """Report what cannot work together; returns warnings. The recipe has no cycles."""
    built = _Built(registry, report)
    warnings = []
    for spec in (*recipe.components.values(), *recipe.steps.values()):
        for where, part in deep_parts(spec):
            if isinstance(part, Spec):
                built.get(recipe, part)
            elif part.to == "split":
                dataset = built.get(recipe, recipe.components[part.name])
                _check_split(where, part, dataset, report)
        _check_untrained(recipe, spec, report)
        _check_sampling(recipe, spec, built, report)
        _check_given(recipe, spec, report)
    for spec in recipe.components.values():
        built.get(recipe, spec)
    warnings += [f"data set '{name}' is not there yet: {why}" for name, why in built.missing.items()]
    used = {each for name in reachable(recipe) for each in needs(recipe, name)}
    warnings += [f"component '{name}' is not used by any step" for name in recipe.components if name not in used]
    return warnings


def reachable(recipe: Recipe) -> set[str]:
    """Steps, and all that they refer to, directly or not."""
    found: set[str] = set()
    todo = list(recipe.steps)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += needs(recipe, name)
    return found


class _Built:
    """Components that can be built at once, to hear what their constructors say, each once."""

    def __init__(self, registry: Registry, report: Report) -> None:
        self.registry, self.report = registry, report
        self.objects: dict[str, Component | None] = {}
        self.missing: dict[str, str] = {}

    def get(self, recipe: Recipe, spec: Spec) -> Component | None:
        """The component, or None where it cannot be built before the run."""
        if spec.where not in self.objects:
            self.objects[spec.where] = None
            self.objects[spec.where] = self._build(recipe, spec)
        return self.objects[spec.where]

    def _build(self, recipe: Recipe, spec: Spec) -> Component | None:
        if issubclass(spec.cls, Trainable):
            return None  # weights take time and memory
        options = dict(spec.options)
        for name, value in spec.options.items():
            if isinstance(value, Ref | Spec):
                inner = recipe.target(value)
                built = None if inner is None else self.get(recipe, inner)
                if built is None:
                    return None
                options[name] = built
            elif next(parts(value), None) is not None:
                return None
        try:
            return self.registry.create(spec.kind, spec.use, options)
        except OptionError as error:
            for problem in error.problems:
                self.report(spec.where, problem.message)
        except DataError as error:
            self.missing[spec.name] = str(error)
        return None


def _check_split(where: str, ref: Ref, dataset: Component | None, report: Report) -> None:
    if isinstance(dataset, Dataset) and ref.port not in dataset.splits:
        near = suggest(str(ref.port), dataset.splits)
        splits = ", ".join(f"${ref.name}.{split}" for split in dataset.splits)
        report(where, f"{ref.name} has no split '{ref.port}'.{near} It has {splits}")


def _check_untrained(recipe: Recipe, spec: Spec, report: Report) -> None:
    """A component is taken untrained only by the step that trains it (the one with a port of the option's name), or by
    a trainable that it is trained with."""
    outputs = getattr(spec.cls, "outputs", {})
    for below, part in spec.parts():
        inner = recipe.target(part)
        if inner is None or below in outputs or not issubclass(inner.cls, Trainable | TextEncoder):
            continue
        trained = [
            f"${step.name}.{port}"
            for step in recipe.steps.values()
            for port in getattr(step.cls, "outputs", {})
            if isinstance(part, Ref) and step.options.get(port) == part
        ]
        nests = issubclass(spec.cls, Trainable) and below not in spec.cls.training_only
        if trained and not nests:
            report(f"{spec.where}.{below}", f"{part} is untrained here; trained it is {' or '.join(trained)}")


def _check_sampling(recipe: Recipe, spec: Spec, built: _Built, report: Report) -> None:
    """A step with a prior and a sampler: families fit, and the guidance asks for nothing that was never trained."""
    found = {}
    for below, part in spec.parts():
        origin = recipe.origin(part)
        for kind in (Prior, Sampler):
            if origin is not None and issubclass(origin.cls, kind):
                found[kind] = (below, origin)
    if len(found) < 2:
        return
    prior, (below, sampler) = found[Prior][1], found[Sampler]
    assert issubclass(prior.cls, Prior)
    assert issubclass(sampler.cls, Sampler)
    if prior.cls.family not in sampler.cls.families:
        report(
            f"{spec.where}.{below}",
            f"sampler '{sampler.use}' draws from {' or '.join(sampler.cls.families)} priors; "
            f"'{prior.use}' is {prior.cls.family}",
        )
        return
    for _, part in deep_parts(sampler):
        inner = recipe.target(part)
        if inner is not None and issubclass(inner.cls, Guidance):
            guidance = built.get(recipe, inner)
            if isinstance(guidance, Guidance):
                _check_guidance(inner, guidance, prior, report)


def _check_guidance(spec: Spec, guidance: Guidance, prior: Spec, report: Report) -> None:
    assert issubclass(prior.cls, Prior)
    takes, drops = prior.cls.declared_characters(prior.options), prior.cls.declared_drops(prior.options)
    if guidance.needs_characters and takes is False:
        report(spec.where, f"guidance '{spec.use}' needs a prior with characters; {prior.where} has none")
    for drop in guidance.needs:
        if drops is not None and not drops.get(drop):
            learned = ", ".join(d for d, rate in drops.items() if rate) or "nothing"
            report(
                spec.where,
                f"guidance '{spec.use}' asks {prior.where} to do without {drop}, which it never trains; "
                f"it learns to do without: {learned}",
            )


def _check_given(recipe: Recipe, spec: Spec, report: Report) -> None:
    """A step with the option `given` gives a prior those other stages' tokens that it takes."""
    given, part = spec.options.get("given"), spec.options.get("model", spec.options.get("prior"))
    prior = recipe.origin(part) if isinstance(part, Ref | Spec) else None
    if not isinstance(given, Mapping) or prior is None or not issubclass(prior.cls, Prior):
        return
    for name in given:
        if name not in prior.cls.takes_given:
            takes = ", ".join(prior.cls.takes_given) or "nothing"
            report(f"{spec.where}.given.{name}", f"prior '{prior.use}' takes no '{name}'; it takes {takes}")
    for name in prior.cls.takes_given:
        if name not in given:
            report(spec.where, f"prior '{prior.use}' needs another stage's tokens: given: {{{name}: $step.tokens}}")
