"""What the stages of a run have found, as JSON files that are there wholly or not at all."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dpm_assets.bench.plan import Plan
from dpm_assets.bench.systems import BY_NAME
from dpm_assets.errors import DpmError

RESULTS, PLANS, SAMPLE, SERVER = "results", "plans", "sample", "server"
FOLDED = "results.json"
# Stages of one system that are not called by its name.
_OWNERS = {"dbt": "baseline", "storage_cold": "production"}


class Store:
    """The folder of one run: results/STAGE.json, plans/*.json, sample/, server/, run.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, plan: Plan) -> bool:
        """Claim the folder for a plan; True when a run of the same plan goes on. Raises DpmError for another plan's folder.

        The SQL of a system that nothing was measured of yet may be another than when the run began.
        """
        wanted = plan.identity()
        there = self._read(self.folder / "run.json")
        if there is None:
            _write(self.folder / "run.json", wanted)
            return False
        other = sorted(name for name in wanted if wanted[name] != there.get(name))
        if other == ["sql"] and not self._measured(
            {owner for owner, digest in wanted["sql"].items() if digest != there["sql"].get(owner)}
        ):
            _write(self.folder / "run.json", wanted)
        elif other:
            raise DpmError(
                f"{self.folder} holds a run with other {', '.join(other)}. Give --fresh to begin anew, or another --folder."
            )
        return True

    def _measured(self, owners: set[str]) -> bool:
        """Whether anything was measured of these systems; the questions are put to whichever was asked."""
        return any(
            stage.rpartition(".")[2] in {*owners, "all"} or ("questions" in owners and "/queries." in stage)
            for stage in self.everything()
        )

    def plan(self) -> dict[str, Any] | None:
        """The plan that the folder was begun with."""
        found: dict[str, Any] | None = self._read(self.folder / "run.json")
        return found

    def forget(self) -> None:
        """Remove what the stages have found."""
        for name in (RESULTS, PLANS):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "run.json").unlink(missing_ok=True)

    def has(self, stage: str) -> bool:
        return self._path(stage).exists()

    def read(self, stage: str) -> Any:
        """What a stage found, or None."""
        return self._read(self._path(stage))

    def write(self, stage: str, found: Any) -> None:
        _write(self._path(stage), found)

    def keep_plan(self, name: str, explained: Any) -> None:
        """Keep the whole EXPLAIN of a query."""
        _write(self.folder / PLANS / f"{name}.json", explained)

    def everything(self) -> dict[str, Any]:
        """All stages by name."""
        root = self.folder / RESULTS
        return {
            path.relative_to(root).with_suffix("").as_posix(): self._read(path) for path in sorted(root.rglob("*.json"))
        }

    def fold(self) -> None:
        """Keep all that was found so far in one file, results.json, from which the run can go on in another folder."""
        plan = self.plan()
        assert plan is not None
        _put(self.folder / FOLDED, folded(plan, self.everything()))

    def take_over(self, file: Path) -> None:
        """Begin with what another folder's run has found of the systems that it had done with: of others, the data are there.

        A folder that holds a run already goes on with that. Raises DpmError when the file holds none.
        """
        if self.plan() is not None:
            return
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            plan, stages = found["plan"], found["stages"]
        except (OSError, ValueError, TypeError, KeyError):
            raise DpmError(f"{file} is not the {FOLDED} of a run. Give the one in its folder.") from None
        systems = {*BY_NAME, "all"}
        under_way = systems - {name for name in systems if f"ended.{name}" in stages}
        if "ended.all" in stages:
            under_way = set()
        for name, stage in stages.items():
            if _OWNERS.get(name, name.rpartition(".")[2]) not in under_way:
                self.write(name, stage)
        _write(self.folder / "run.json", plan)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder, so that two runs do not measure each other. Raises DpmError when another run holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # as root, the server runs as a lesser user who has to get in
        with (self.folder / "run.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DpmError(
                    f"Another run is at work in {self.folder}. Wait for it, or give another --folder."
                ) from None
            yield

    def _path(self, stage: str) -> Path:
        return self.folder / RESULTS / f"{stage}.json"

    def _read(self, path: Path) -> Any:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise DpmError(f"{path} is damaged. Delete it: that stage is measured again.") from None


def folded(plan: dict[str, Any], stages: dict[str, Any]) -> str:
    """{"plan", "stages"} as JSON, a line for each stage."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found)}" for name, found in sorted(stages.items()))
    return f'{{"plan": {json.dumps(plan)},\n"stages": {{\n{lines}\n}}}}\n'


def answers_so_far(store: Store, step: int) -> dict[str, Any] | None:
    """What the systems that were asked at a step have answered: {"parameters", "answers": {query: answer}}; None before the
    first. An answer is the first that came in time, None where none did."""
    found: dict[str, Any] | None = None
    for group in ("all", *BY_NAME):
        asked = store.read(f"step_{step}/queries.{group}")
        if asked is None:
            continue
        found = found or {"parameters": asked["parameters"], "answers": {}}
        for name, one in asked["queries"].items():
            found["answers"][name] = found["answers"].get(name) or one["answer"]
    return found


def _write(path: Path, content: Any) -> None:
    _put(path, json.dumps(content, indent=1, default=_plain))


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f"{path.name}.new")
    making.write_text(text, encoding="utf-8")
    making.replace(path)


def _plain(value: object) -> object:
    """Dates and decimals as text."""
    if isinstance(value, date | datetime | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a result")
