"""The proof of the proof: with any one of its mechanisms switched off, the refresh or the archive fails the very tests that
guard it."""

import inspect
from collections.abc import Iterator

import pytest

from dpm_assets.server import EmbeddedServer
from tests.cold_mutations import COLD_MUTATIONS, ColdMutation
from tests.interleaving import Connection
from tests.mutations import MUTATIONS, Mutation
from tests.permutations import PERMUTATIONS
from tests.playing import play
from tests.stages import Stages

pytestmark = [pytest.mark.sql]


@pytest.fixture
def stages(server: EmbeddedServer, template: str) -> Iterator[Stages]:
    made = Stages(server, template)
    yield made
    made.close()


def test_every_guard_is_one_of_the_permutations_that_are_played() -> None:
    assert {guard for mutation in MUTATIONS for guard in mutation.guards} <= set(PERMUTATIONS)


@pytest.mark.mutation
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_switched_off_it_is_noticed(stages: Stages, mutation: Mutation) -> None:
    for guard in mutation.guards:
        with pytest.raises(AssertionError, match=mutation.says), stages.stage() as stage:
            stage.restore()
            assert not stage.settle()
            play(stage, guard, broken=mutation.switch_off)


@pytest.mark.mutation
@pytest.mark.parametrize("mutation", COLD_MUTATIONS, ids=str)
def test_a_guard_of_the_archive_that_is_switched_off_is_noticed(
    refreshed: Connection, request: pytest.FixtureRequest, mutation: ColdMutation
) -> None:
    needed = [name for name in inspect.signature(mutation.guard).parameters if name not in mutation.given]
    fixtures = {name: request.getfixturevalue(name) for name in needed}
    mutation.switch_off(refreshed)
    with pytest.raises((AssertionError, pytest.fail.Exception), match=mutation.says):
        mutation.guard(**fixtures, **mutation.given)
