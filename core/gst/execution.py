"""One execution of a recipe: plan, estimate, announce, then step by step."""

from __future__ import annotations

import platform
import resource
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from gst import __version__, plugins
from gst.artifacts import Artifact, Table
from gst.component import Component
from gst.context import Planned, StepContext
from gst.errors import GstError, OptionError, PluginError, StoreError, TrainingError, UsageError
from gst.estimate import Prober, Timings
from gst.graph import Graph
from gst.kinds import Estimate, Step
from gst.lockfile import lock
from gst.make import MISSING, Maker
from gst.outputs import Results, Shelf
from gst.planning import lines, size
from gst.progress import Progress, clock
from gst.recipe.spec import Recipe
from gst.rundir import STATE, choose, recipe_hash, resolved_yaml
from gst.runtime import Runtime
from gst.store import Store, disk_full, writing
from gst.tracking import METRICS, Tracking, open_tracker, read_lines
from gst.training.randomness import isolated

HISTORY = "metrics.jsonl"


class Run:
    """One recipe, one folder, one store. Hooks are given this object.

    Attributes:
        recipe: what runs.
        dir: the run's folder.
        graph: the steps.
        fingerprints: step -> fingerprint.
        seconds: step -> how long it took, for the steps that ran.
        metrics: "step.port" -> {"rows", "about"} of every table of the finished steps.
        states: step -> "waiting", "running", "cached", "done", "skipped", "failed" or "interrupted".
    """

    def __init__(self, recipe: Recipe, store: Store, out: Path | None, progress: Progress) -> None:
        self.recipe, self.store, self.progress = recipe, store, progress
        self.graph = Graph(recipe)
        settings = {key: value for key, value in recipe.runtime.items() if key != "trackers"}
        self.runtime = Runtime(**settings)
        self.maker = Maker(recipe, self._artifact)
        self.fingerprints = self.graph.fingerprints(self.maker)
        self.shelf = Shelf(recipe, store, self.fingerprints)
        self.folder = choose(recipe, out)
        self.dir = self.folder.path
        self.timings = Timings(store, recipe, self.runtime)
        self.seconds: dict[str, float] = {}
        self.states: dict[str, str] = dict.fromkeys(self.graph.order, "waiting")
        self.metrics: dict[str, Any] = {}
        self.started = _now()

    def plan(self, selected: Sequence[str], force: Sequence[str]) -> tuple[Planned, ...]:
        """What is to be done.

        Raises:
            UsageError: a step to be forced does not exist, or a step was asked for whose inputs are not there.
            StoreError: an entry in the store is damaged.
        """
        for name in force:
            self.graph.require(name)
        plan = []
        for name in self.graph.order:
            spec = self.recipe.steps[name]
            state: Any = "run"
            if name not in selected:
                state = "skipped"
            elif not _cached(spec.cls):
                state = "always"
            elif name not in force and self.store.find(self.fingerprints[name]) is not None:
                state = "cached"
            elif name not in force and any(self.store.work(self.fingerprints[name]).glob("*")):
                state = "resume"
            plan.append(Planned(name, spec.use, state, forced=name in force))
        self._require_inputs({planned.name: planned.state for planned in plan})
        return tuple(plan)

    def recall(self, plan: Sequence[Planned]) -> tuple[Planned, ...]:
        """The plan with what steps took before."""
        return tuple(replace(p, estimate=self.timings.get(p.name)) if p.state in _ACTIVE else p for p in plan)

    def estimate(self, plan: Sequence[Planned]) -> tuple[Planned, ...]:
        """The plan with what steps took before, or with what a probe says they will take."""
        quiet = Progress(quiet=True)
        to_come = {p.name for p in plan if p.state in _ACTIVE}
        prober = Prober(
            self.maker,
            lambda step, port: None if step in to_come else self.shelf.stored(step, port),
            lambda name, folder: self._context(name, folder, folder, Tracking(folder, name), quiet),
            self.progress.say,
        )
        return tuple(
            replace(p, estimate=p.estimate or prober.estimate(p.name)) if p.state in _ACTIVE else p
            for p in self.recall(plan)
        )

    def announce(self, plan: Sequence[Planned]) -> None:
        """Print the plan; refuse to begin where the disk is too small for it."""
        for line in lines(self.recipe, self.dir, self.store.root, self.runtime, plan):
            self.progress.say(line)
        needed = sum(p.estimate.disk or 0 for p in plan if p.estimate is not None)
        place = next(each for each in (self.store.root, *self.store.root.parents) if each.exists())
        free = shutil.disk_usage(place).free
        if needed > free:
            raise StoreError(
                f"this run needs about {size(needed)} in {self.store.root}, where {size(free)} are free",
                hint="Make room (gst store gc), or set GST_STORE to a place on another disk.",
            )

    def execute(self, plan: Sequence[Planned]) -> None:
        """Do what was planned. What is finished stays in the store, however this ends."""
        with self.folder.lock(lambda path: self.progress.say(f"another run uses {path}; waiting for it")):
            self.states.update({p.name: "skipped" for p in plan if p.state == "skipped"})
            self._begin()
            try:
                with self._trackers() as trackers:
                    plugins.call_each("gst_run_start", self.progress.say, run=self)
                    for planned in plan:
                        if planned.state != "skipped":
                            self._step(planned, trackers)
            except BaseException as error:
                ended = "failed" if isinstance(error, Exception) else "interrupted"
                self.states.update({name: ended for name, state in self.states.items() if state == "running"})
                with suppress(GstError):
                    self._save(ended)
                    self._refresh()
                raise
            self._save("finished")

    def _artifact(self, step: str, port: str) -> Any:
        return self.shelf.get(step, port)

    def _require_inputs(self, states: Mapping[str, str]) -> None:
        for name, state in states.items():
            if state not in _ACTIVE:
                continue
            for before in self.graph.needs(name):
                if states[before] == "skipped" and self.store.find(self.fingerprints[before]) is None:
                    raise UsageError(
                        f"step '{name}' needs what '{before}' gives, which is not in the store",
                        hint=f"Run {before} too: gst run ... --until {name}",
                    )

    def _step(self, planned: Planned, trackers: Sequence[Any]) -> None:
        name, fingerprint = planned.name, self.fingerprints[planned.name]
        self.states[name] = "running"
        with ExitStack() as stack:
            if planned.state == "cached":
                self._take(name)
            elif planned.state == "always":
                self._save("running")
                self.shelf.kept[name] = self._do(name, self.store.work(fingerprint), trackers)
                self._finish(name, "done")
            else:
                waited: list[str] = []

                def wait(owner: str) -> None:
                    waited.append(owner)
                    self.progress.say(f"{name}: {owner or 'another process'} is making it; waiting")

                stack.enter_context(self.store.lock(fingerprint, wait))
                if (waited or not planned.forced) and self.store.find(fingerprint) is not None:
                    self._take(name)
                else:
                    self._make(planned, trackers)
        results = Results(self.shelf)[name]
        plugins.call_each("gst_step_end", self.progress.say, run=self, step=name, result=results)
        if self.states[name] == "done":
            self._refresh()

    def _take(self, name: str) -> None:
        """Use what is in the store."""
        entry = self.store.find(self.fingerprints[name])
        assert entry is not None
        self._bring_history(name, entry.folder / HISTORY)
        self._finish(name, "cached")

    def _make(self, planned: Planned, trackers: Sequence[Any]) -> None:
        """Run a step and put its outputs into the store; its lock is held."""
        name, fingerprint = planned.name, self.fingerprints[planned.name]
        work = self.store.work(fingerprint)
        if planned.forced:
            shutil.rmtree(work, ignore_errors=True)
        self._save("running")
        self._refresh()
        self.progress.say(f"{name}: {'goes on' if planned.state == 'resume' else 'runs'}")
        started = time.monotonic()
        outputs = self._do(name, work, trackers)
        seconds = time.monotonic() - started
        spec = self.recipe.steps[name]
        info = {
            "step": name,
            "use": spec.use,
            "recipe": self.recipe.name,
            "seconds": round(seconds, 3),
            "finished": _now(),
            "gst": __version__,
            "dist": f"{spec.entry.dist} {spec.entry.version}",
            "runtime": self.runtime.describe(),
            "host": platform.node(),
        }
        entry = self.store.commit(fingerprint, outputs, info, extra={HISTORY: work / HISTORY})
        self.seconds[name] = seconds
        if planned.state == "run":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            self.timings.put(name, Estimate(seconds, peak, entry.size))
        self.progress.say(f"{name}: done in {clock(seconds)}")
        self._finish(name, "done")

    def _do(self, name: str, work: Path, trackers: Sequence[Any]) -> Mapping[str, Any]:
        """Run a step. Every error says which step it was."""
        spec = self.recipe.steps[name]
        try:
            with writing(work):
                work.mkdir(parents=True, exist_ok=True)
            with disk_full(work):
                tracker = Tracking(self.dir, name, trackers, work / HISTORY if _cached(spec.cls) else None)
                if not any(work.iterdir()):
                    tracker.rewind(-1)
                with isolated(self.runtime, self._seed(name)):
                    step = self.maker.step(name)
                    outputs = step.run(self._context(name, work, self.dir, tracker, self.progress))
                self._check_outputs(name, outputs)
                if not _cached(spec.cls):
                    shutil.rmtree(work, ignore_errors=True)
                return outputs
        except GstError as error:
            error.message = f"step '{name}': {error.message}"
            raise
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"step '{name}': the accelerator's memory is full", hint=f"Try -s {name}.batch_size=... smaller."
            ) from error
        except Exception as error:
            error.add_note(f"(in step '{name}', {spec.entry.key} of {spec.entry.dist} {spec.entry.version})")
            raise

    def _check_outputs(self, name: str, outputs: Any) -> None:
        """What a step returned is what it declares."""
        ports = self.shelf.ports(name)
        spec = self.recipe.steps[name]
        wrong = [] if isinstance(outputs, Mapping) else ["it is no mapping"]
        if not wrong:
            wrong += [f"'{port}' is missing" for port in ports if port not in outputs]
            wrong += [f"'{port}' is not declared" for port in outputs if port not in ports]
            wrong += [
                f"'{port}' is a {type(outputs[port]).__name__}, not a {cls.__name__}"
                for port, cls in ports.items()
                if port in outputs and not _fits(outputs[port], cls)
            ]
        if wrong:
            raise PluginError(f"{spec.entry.key} of {spec.entry.dist} returned something else: {'; '.join(wrong)}")

    def _context(self, name: str, work: Path, run_dir: Path, tracker: Tracking, progress: Progress) -> StepContext:
        return StepContext(
            name=name,
            seed=self._seed(name),
            work=work,
            run_dir=run_dir,
            runtime=self.runtime,
            tracker=tracker,
            progress=progress,
            smoke=self.recipe.smoke,
            results=Results(self.shelf),
            graph=self.graph,
            refresh=self._refresh if run_dir == self.dir else lambda: None,
            states=self.states,
        )

    def _seed(self, name: str) -> int:
        own = self.recipe.steps[name].seed
        return self.recipe.seed if own is None else own

    def _finish(self, name: str, state: str) -> None:
        self.shelf.finished.append(name)
        self.states[name] = state
        for port, cls in self.shelf.ports(name).items():
            if issubclass(cls, Table):
                table = self.shelf.get(name, port)
                self.metrics[f"{name}.{port}"] = {"rows": table.rows, "about": table.about}
        self._save("running")

    def _refresh(self) -> None:
        """Let the steps that are not cached show what there is. They are given the inputs that are there, without the
        others; what goes wrong there must not stop the run."""
        for name in self.graph.order:
            spec = self.recipe.steps[name]
            if _cached(spec.cls) or self.states[name] != "waiting" or spec.cls.refresh is Step.refresh:  # type: ignore[attr-defined]
                continue
            work = self.store.work(self.fingerprints[name])
            try:
                step = self.maker.with_artifacts(self._if_finished).step(name)
                step.refresh(self._context(name, work, self.dir, Tracking(self.dir, name), self.progress))
            except OptionError:  # an input that it cannot do without is not there yet
                continue
            except Exception as error:
                self.progress.say(f"{name}: cannot be refreshed now: {error}")

    def _if_finished(self, step: str, port: str) -> Any:
        return self.shelf.get(step, port) if step in self.shelf.finished else MISSING

    @contextmanager
    def _trackers(self) -> Iterator[list[Any]]:
        opened = [open_tracker(name, self) for name in self.recipe.runtime.get("trackers", [])]
        try:
            yield opened
        finally:
            for tracker in opened:
                tracker.close()

    def _bring_history(self, name: str, history: Path) -> None:
        """Lines that a step logged when it ran, in another run's folder perhaps."""
        here = read_lines(self.dir / METRICS)
        if history.exists() and not any(line["step"] == name for line in here):
            text = "".join(
                line + "\n" for line in history.read_text(encoding="utf-8").splitlines() if '"path"' not in line
            )
            with writing(self.dir), (self.dir / METRICS).open("a", encoding="utf-8") as file:
                file.write(text)

    def _begin(self) -> None:
        self.folder.write_text("recipe.yaml", resolved_yaml(self.recipe))
        data = {
            str(edge.ref): self._data_fingerprint(edge.ref.name, edge.ref.port)
            for name in self.graph.order
            for edge in self.graph.edges(name)
            if edge.ref.to == "split"
        }
        self.folder.write("lock.json", lock(self.recipe, self.runtime, self.fingerprints, data))
        self.store.register(self.dir)
        self._save("running")

    def _data_fingerprint(self, name: str, split: str | None) -> str:
        return self.maker.dataset(self.recipe.components[name]).split(str(split)).fingerprint()

    def _save(self, status: str) -> None:
        steps = {
            name: {"fingerprint": self.fingerprints[name], "state": state, "seconds": self._took(name)}
            for name, state in self.states.items()
        }
        self.folder.write(
            STATE,
            {
                "format": 1,
                "recipe": self.recipe.name,
                "title": self.recipe.title,
                "recipe_hash": recipe_hash(self.recipe),
                "source": None if self.recipe.path is None else str(self.recipe.path),
                "smoke": self.recipe.smoke,
                "status": status,
                "started": self.started,
                "updated": _now(),
                "store": str(self.store.root),
                "output": None if self.recipe.output is None else str(self.recipe.output).lstrip("$"),
                "steps": steps,
            },
        )
        places = {
            f"{step}.{port}": {"fingerprint": self.fingerprints[step], "path": str(folder / port)}
            for step in self.shelf.finished
            if step not in self.shelf.kept
            for folder in [self.store.folder(self.fingerprints[step])]
            for port in self.shelf.ports(step)
        }
        self.folder.write("outputs.json", places)
        self.folder.write("metrics.json", self.metrics)

    def _took(self, name: str) -> float | None:
        if name in self.seconds:
            return round(self.seconds[name], 3)
        if self.states[name] != "cached":
            return None
        entry = self.store.find(self.fingerprints[name])
        return None if entry is None else entry.info.get("seconds")


_ACTIVE = ("run", "resume", "always")


def _cached(cls: type) -> bool:
    return bool(getattr(cls, "cached", True))


def _fits(value: Any, cls: type) -> bool:
    """Artifacts are opened again by the class that is declared, so they must be of that very class."""
    return type(value) is cls if issubclass(cls, Artifact) else isinstance(value, cls) and isinstance(value, Component)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
