"""One execution of a recipe, step by step."""

from __future__ import annotations

import platform
import resource
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import torch

from gst import __version__, plugins
from gst.artifacts import Table
from gst.context import Planned, StepContext
from gst.disk import disk_full, writing
from gst.errors import GstError, OptionError, TrainingError
from gst.estimate import Timings
from gst.graph import Graph
from gst.kinds import Estimate, Step
from gst.make import MISSING, Maker
from gst.outputs import Results, Shelf, check_outputs
from gst.preview import PREVIEWS, bring_previews
from gst.progress import Progress, clock
from gst.recipe.spec import Recipe
from gst.record import begin, bring_history, now, save
from gst.rundir import choose, claim
from gst.runtime import Runtime
from gst.store import Store
from gst.tracking import Tracking, open_tracker
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
        self.folder, self._may_move = choose(recipe, out), out is None
        self.seconds: dict[str, float] = {}
        self.states: dict[str, str] = dict.fromkeys(self.graph.order, "waiting")
        self.metrics: dict[str, Any] = {}
        self.started = now()

    @property
    def dir(self) -> Path:
        return self.folder.path

    def execute(self, plan: Sequence[Planned]) -> None:
        """Do what was planned. What is finished stays in the store, however this ends."""
        if self._may_move:
            self._claim()
        with self.folder.lock(lambda path: self.progress.say(f"another run uses {path}; waiting for it")):
            self.states.update({p.name: "skipped" for p in plan if p.state == "skipped"})
            begin(self)
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
                    save(self, ended)
                    self._refresh()
                raise
            save(self, "finished")

    def _claim(self) -> None:
        planned = self.dir
        self.folder = claim(self.recipe, self.folder)
        if self.dir != planned:
            self.progress.say(f"another run took {planned}; this one goes to {self.dir}")

    def _artifact(self, step: str, port: str) -> Any:
        return self.shelf.get(step, port)

    def _step(self, planned: Planned, trackers: Sequence[Any]) -> None:
        name, fingerprint = planned.name, self.fingerprints[planned.name]
        self.states[name] = "running"
        with ExitStack() as stack:
            if planned.state == "cached":
                self._take(name)
            elif planned.state == "always":
                save(self, "running")
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
        bring_history(self, name, entry.folder / HISTORY)
        bring_previews(entry.folder / PREVIEWS, self.dir, name)
        self._finish(name, "cached")

    def _make(self, planned: Planned, trackers: Sequence[Any]) -> None:
        """Run a step and put its outputs into the store; its lock is held."""
        name, fingerprint = planned.name, self.fingerprints[planned.name]
        work = self.store.work(fingerprint)
        if planned.forced:
            shutil.rmtree(work, ignore_errors=True)
        save(self, "running")
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
            "finished": now(),
            "gst": __version__,
            "dist": f"{spec.entry.dist} {spec.entry.version}",
            "runtime": self.runtime.describe(),
            "host": platform.node(),
        }
        entry = self.store.commit(fingerprint, outputs, info, extra={name: work / name for name in (HISTORY, PREVIEWS)})
        self.seconds[name] = seconds
        if planned.state == "run":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            Timings(self.store, self.recipe, self.runtime).put(name, Estimate(seconds, peak, entry.size))
        self.progress.say(f"{name}: done in {clock(seconds)}")
        self._finish(name, "done")

    def _do(self, name: str, work: Path, trackers: Sequence[Any]) -> Mapping[str, Any]:
        """Run a step. Every error says which step it was."""
        spec = self.recipe.steps[name]
        try:
            with writing(work):
                work.mkdir(parents=True, exist_ok=True)
            with disk_full(work):
                tracker = Tracking(self.dir, name, trackers, work / HISTORY if self.is_cached(name) else None)
                if not any(work.iterdir()):
                    tracker.rewind(-1)
                with isolated(self.runtime, self._seed(name)):
                    step = self.maker.step(name)
                    outputs = step.run(self.context(name, work, self.dir, tracker, self.progress))
                check_outputs(spec, self.shelf.ports(name), outputs)
                if not self.is_cached(name):
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

    def context(self, name: str, work: Path, run_dir: Path, tracker: Tracking, progress: Progress) -> StepContext:
        """What a step is given; a probe has other folders and tells nobody."""
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

    def is_cached(self, name: str) -> bool:
        """Whether the store keeps what a step gives."""
        return bool(cast(type[Step], self.recipe.steps[name].cls).cached)

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
        save(self, "running")

    def _refresh(self) -> None:
        """Let the steps that are not cached show what there is. They are given the inputs that are there, without the
        others; what goes wrong there must not stop the run."""
        for name in self.graph.order:
            spec = self.recipe.steps[name]
            if self.is_cached(name) or self.states[name] != "waiting" or spec.cls.refresh is Step.refresh:  # type: ignore[attr-defined]
                continue
            work = self.store.work(self.fingerprints[name])
            try:
                step = self.maker.with_artifacts(self._if_finished).step(name)
                step.refresh(self.context(name, work, self.dir, Tracking(self.dir, name), self.progress))
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
