"""What PostgreSQL answers to a load, as a sentence with the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from dpm_assets.errors import DpmError

_NOT_SET_UP = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)


@contextmanager
def explained(file: str) -> Iterator[None]:
    """Around a load. Whatever is raised here, PostgreSQL has rolled back or will: nothing is half-loaded."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise DpmError(
            f"{file}: the server's disk is full ({_reason(error)}). Nothing was loaded. Free space, and load it again."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DpmError(
            f"{file}: the login may not load ({_reason(error)}). Nothing was loaded. "
            "Grant it the role dpm_loader, or apply the schema again with `dpm schema apply`."
        ) from error
    except _NOT_SET_UP as error:
        raise DpmError(
            f"{file}: the database is not set up for loads ({_reason(error)}). "
            "Run `dpm schema apply`, and load it again."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DpmError(
            f"{file}: the server stopped the load ({_reason(error)}). Nothing is half-loaded. "
            "Check the server, and load the file again: it is loaded once, however often it is offered."
        ) from error
    except psycopg.Error as error:
        raise DpmError(
            f"{file}: PostgreSQL refused the rows ({_reason(error)}). Nothing was loaded. "
            "Compare the table's columns and checks with the file."
        ) from error


def _reason(error: psycopg.Error) -> str:
    return re.sub(r"\s+", " ", error.diag.message_primary or str(error)).strip().rstrip(".")
