"""What PostgreSQL says against archiving or restoring, as a sentence with the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.tables import Part

# What PostgreSQL's class of errors takes for trouble of the server, and is a refusal of ours.
_REFUSALS = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.ObjectInUse,
    psycopg.errors.ObjectNotInPrerequisiteState,
)


@contextmanager
def explained(part: Part) -> Iterator[None]:
    """Around the steps of one month or year."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise DpmError(
            f"{part}: the server's disk is full ({_said(error)}). Free space, then do this again."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if isinstance(error, _REFUSALS):
            raise DpmError(_said(error)) from error
        raise DpmError(
            f"{part}: the server stopped this ({_said(error)}). Nothing is lost: see that it runs, then do this again."
        ) from error
    except psycopg.Error as error:
        raise DpmError(_said(error)) from error


def _said(error: psycopg.Error) -> str:
    sentence = " ".join((error.diag.message_primary or str(error)).split()).rstrip(".")
    hint = error.diag.message_hint
    return f"{sentence[:1].upper()}{sentence[1:]}. {hint}" if hint else sentence
