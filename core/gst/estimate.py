"""What a run will need, before it starts: from what was measured before, else from a probe of a few seconds."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gst.component import Component
from gst.errors import GstError, StoreError
from gst.fingerprint import canonical, digest
from gst.kinds import Estimate
from gst.make import Maker
from gst.recipe.spec import Recipe, Ref, Spec
from gst.runtime import Runtime
from gst.store import Store

if TYPE_CHECKING:
    from gst.context import StepContext

TIMINGS = "timings.json"


class Timings:
    """What steps took on this machine, by a key that leaves out seeds and learned weights.

    Args:
        store: keeps the file.
        recipe: whose steps.
        runtime: on what they run.
    """

    def __init__(self, store: Store, recipe: Recipe, runtime: Runtime) -> None:
        self.path, self.recipe, self.runtime = store.root / TIMINGS, recipe, runtime

    def get(self, name: str) -> Estimate | None:
        """What the step took last time, or None."""
        found = self._read().get(self._key(name))
        return Estimate(**found) if isinstance(found, dict) and set(found) == {"seconds", "memory", "disk"} else None

    def put(self, name: str, took: Estimate) -> None:
        """Remember what the step took. Not worth an error where that fails."""
        known = {**self._read(), self._key(name): vars(took)}
        partial = self.path.with_name(f"{TIMINGS}.tmp-{os.getpid()}")
        with suppress(OSError):
            partial.write_text(json.dumps(known), encoding="utf-8")
            os.replace(partial, self.path)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            known = json.loads(self.path.read_text(encoding="utf-8"))
            return known if isinstance(known, dict) else {}
        return {}

    def _key(self, name: str) -> str:
        about = self.runtime.describe()
        machine = [platform.node(), about["device"], about["precision"], about["threads"]]
        return digest([machine, self._form(self.recipe.steps[name])])

    def _form(self, value: Any) -> Any:
        if isinstance(value, Ref):
            inner = self.recipe.components if value.to != "port" else self.recipe.steps
            return [value.to, value.port, self._form(inner[value.name])]
        if isinstance(value, Spec):
            return [value.entry.key, {name: self._form(option) for name, option in value.options.items()}]
        if isinstance(value, Component):
            return value.use
        if isinstance(value, Mapping):
            return {str(key): self._form(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._form(item) for item in value]
        return canonical(value)


class Prober:
    """Measures steps on their inputs; where those are not there yet, on stand-ins that the steps before give.

    Args:
        maker: builds steps; its data sets are shared with the run.
        stored: the artifact at (step, port) from the store, or None where it is not there.
        context: makes the context of a step with the given scratch folder.
        say: is told why a step could not be probed.
    """

    def __init__(
        self,
        maker: Maker,
        stored: Callable[[str, str], Any],
        context: Callable[[str, Path], StepContext],
        say: Callable[[str], None],
    ) -> None:
        self.maker = maker.with_artifacts(self._artifact)
        self.stored, self.context, self.say = stored, context, say
        self._stand_ins: dict[str, Mapping[str, Any] | None] = {}

    def estimate(self, name: str) -> Estimate | None:
        """What the step will need, or None where that cannot be known before.

        Raises:
            GstError: the step could not be built as the recipe says; better now than after hours.
        """
        with tempfile.TemporaryDirectory(prefix="gst-probe-") as folder:
            try:
                return self.maker.step(name).probe(self.context(name, Path(folder)))
            except _Unknown:
                return None
            except StoreError:
                raise
            except GstError as error:
                error.message = f"step '{name}': {error.message}"
                raise
            except Exception as error:
                self.say(f"no estimate for '{name}': {type(error).__name__}: {error}")
                return None

    def _artifact(self, step: str, port: str) -> Any:
        found = self.stored(step, port)
        if found is not None:
            return found
        if step not in self._stand_ins:
            with tempfile.TemporaryDirectory(prefix="gst-probe-") as folder:
                self._stand_ins[step] = self.maker.step(step).stand_in(self.context(step, Path(folder)))
        outputs = self._stand_ins[step]
        if outputs is None or port not in outputs:
            raise _Unknown
        return outputs[port]


class _Unknown(Exception):
    """A step gives no stand-in."""
