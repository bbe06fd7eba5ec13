"""The nets of a day, kept in order: what goes and comes is exchanged one for one."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interleaving import Connection

pytestmark = pytest.mark.sql

NETS = st.lists(st.integers(-3, 3).map(lambda cents: Decimal(cents) / 100), max_size=12)
EXCHANGED = "select exchange_values(%s::numeric[], %s::numeric[], %s::numeric[])"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stay=NETS, gone=NETS, come=NETS)
def test_equal_values_go_and_come_one_for_one(
    refreshed: Connection, stay: list[Decimal], gone: list[Decimal], come: list[Decimal]
) -> None:
    found = refreshed.execute(EXCHANGED, [sorted(stay + gone), gone, come]).fetchone()
    assert found == (sorted((Counter(stay) + Counter(come)).elements()) or None,)


def test_the_first_values_of_a_day_need_no_others(refreshed: Connection) -> None:
    assert refreshed.execute(EXCHANGED, [None, None, [Decimal(2), Decimal(1)]]).fetchone() == ([1, 2],)


def test_a_day_whose_last_account_goes_is_no_more(refreshed: Connection) -> None:
    assert refreshed.execute(EXCHANGED, [[Decimal(1)], [Decimal(1)], None]).fetchone() == (None,)
