"""Pieces of SQL that a feed's declaration gives: its key, its columns, and when two rows say the same."""

from collections.abc import Iterable

from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.loads.feeds import Column
from dpm_assets.loads.sifting import FILE_ROW
from dpm_assets.loads.staging import STAGE, Staged

COMMA, AND = sql.SQL(", "), sql.SQL(" and ")


class Clauses:
    """For statements in which s is a staged row, r a row of the feed's table, e what was found of s in the table."""

    def __init__(self, staged: Staged, everywhere: bool) -> None:
        """`everywhere`: an earlier copy of a dated row is looked for at all dates, not only near its own."""
        self.feed = staged.feed
        names = {column.name for column in staged.columns} | set(self.feed.identity)
        self.everywhere = everywhere
        self.columns = [column for column in self.feed.columns if column.name in names]
        self.stood_in = staged.stood_in

    def statement(self, text: str, **more: sql.Composable) -> sql.Composed:
        """A statement with the names of the load's tables, and `more`, filled in."""
        return sql.SQL(text).format(
            stage=STAGE,
            table=sql.Identifier(SCHEMA, self.feed.table),
            existing=sql.Identifier("pg_temp", "load_existing"),
            superseded=sql.Identifier("pg_temp", "load_superseded"),
            corrections=sql.Identifier(SCHEMA, "load_corrections"),
            file_row=sql.Identifier(FILE_ROW),
            **more,
        )

    @property
    def names(self) -> sql.Composed:
        return listed(column.name for column in self.columns)

    @property
    def values(self) -> sql.Composed:
        """What of s is stored, in the order of `names`."""
        return COMMA.join(_value(column, "s") for column in self.columns)

    @property
    def updated_values(self) -> sql.Composed:
        """What of s replaces what r holds, in the order of `names`."""
        return COMMA.join(self._updated_value(column) for column in self.columns)

    def _updated_value(self, column: Column) -> sql.Composed:
        """What only stands in for a missing value replaces one that is there when it has changed itself."""
        if column.name not in self.stood_in:
            return _value(column, "s")
        return sql.SQL("case when r.{0} is distinct from s.{0} then s.{1} else r.{1} end").format(
            sql.Identifier(self.feed.stands_for[column.name]), sql.Identifier(column.name)
        )

    @property
    def identity(self) -> sql.Composed:
        return listed(self.feed.identity)

    @property
    def key_of_s(self) -> sql.Composed:
        return sql.SQL("jsonb_build_object({})").format(
            COMMA.join(sql.SQL("{}, s.{}").format(sql.Literal(n), sql.Identifier(n)) for n in self.feed.identity)
        )

    @property
    def same_identity(self) -> sql.Composed:
        return AND.join(sql.SQL("r.{0} = s.{0}").format(sql.Identifier(name)) for name in self.feed.identity)

    def same(self, left: str, right: str) -> sql.Composed:
        """Whether two rows agree in every column that counts and that the file itself has."""
        compared = [column for column in self.columns if column.counts and column.name not in self.stood_in]
        return sql.SQL("row({}) is not distinct from row({})").format(
            COMMA.join(_value(column, left) for column in compared),
            COMMA.join(_value(column, right) for column in compared),
        )

    @property
    def here(self) -> sql.Composable:
        """Whether r stands at the date of s."""
        if not self.feed.dated_by:
            return sql.SQL("true")
        return sql.SQL("r.{0} = s.{0}").format(sql.Identifier(self.feed.dated_by))

    @property
    def date_of_r(self) -> sql.Composable:
        return (
            sql.SQL("r.{}").format(sql.Identifier(self.feed.dated_by)) if self.feed.dated_by else sql.SQL("null::date")
        )

    @property
    def window(self) -> sql.Composable:
        """Where an earlier copy may stand: the window of the whole file prunes partitions, that of s decides."""
        if not self.feed.dated_by or self.everywhere:
            return sql.SQL("true")
        return sql.SQL(
            "r.{0} between %(first_day)s::date - %(days)s::integer and %(last_day)s::date + %(days)s::integer "
            "and r.{0} between s.{0} - %(days)s::integer and s.{0} + %(days)s::integer"
        ).format(sql.Identifier(self.feed.dated_by))

    @property
    def r_found_for_s(self) -> sql.Composed:
        found = self.statement("s.{file_row} = e.file_row and {same_identity}", same_identity=self.same_identity)
        if not self.feed.dated_by:
            return found
        return sql.SQL("{} and {} = e.dated and {}").format(found, self.date_of_r, self.window)


def listed(names: Iterable[str]) -> sql.Composed:
    return COMMA.join(map(sql.Identifier, names))


def _value(column: Column, alias: str) -> sql.Composed:
    name = sql.SQL("{}.{}").format(sql.SQL(alias), sql.Identifier(column.name))
    return sql.SQL("coalesce({}, {})").format(name, sql.SQL(column.default)) if column.default else name
