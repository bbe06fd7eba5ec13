"""Writers at every step of a refresh: none waits, none is missed, and at the end every number equals the oracle.

No insert, update, delete, copy, merge or load ever waits for a refresh, whatever its step and theirs. What takes a lock
that conflicts with reading (TRUNCATE, DETACH, DROP, a rewrite) waits for a refresh that has read those rows already, ends
when that has ended, and is noticed by the next. A second refresh waits for the first in any case.
"""

from collections.abc import Iterator

import pytest

from dpm_assets.server import EmbeddedServer
from tests.permutations import PERMUTATIONS, Permutation
from tests.playing import play
from tests.stages import Stages

pytestmark = pytest.mark.xdist_group("permutations")

# Every third one also with the oldest PostgreSQL: which locks conflict is the same in all versions.
_ON_THE_OLDEST_TOO = {str(permutation) for permutation in PERMUTATIONS[::3]}
ALL = [
    pytest.param(permutation, id=str(permutation), marks=[pytest.mark.sql] * (str(permutation) in _ON_THE_OLDEST_TOO))
    for permutation in PERMUTATIONS
]


@pytest.fixture(scope="module")
def stages(server: EmbeddedServer, template: str) -> Iterator[Stages]:
    made = Stages(server, template)
    yield made
    made.close()


def test_there_are_at_least_150_permutations_each_with_a_name_of_its_own() -> None:
    assert len({str(permutation) for permutation in PERMUTATIONS}) == len(PERMUTATIONS) >= 150


@pytest.mark.permutation
@pytest.mark.parametrize("permutation", ALL)
def test_permutation(stages: Stages, permutation: Permutation) -> None:
    with stages.stage() as stage:
        play(stage, permutation)
