"""`dpm migrate` on the command line: what is said before, meanwhile and afterwards, and the exit codes."""

from collections.abc import Iterator

import pytest

from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import settings
from tests.baselines import DIRTY_TRADES, baseline
from tests.command_line import dpm
from tests.interleaving import session

pytestmark = pytest.mark.sql
