"""Which columns each column of a query is made from, read from the query's tree in the catalogue.

A column is made from those that its expression names, through subqueries, joins, common tables, set operations and views. A
column of an aggregate's filter or of a window's order counts, for the value depends on it; a condition on the rows of the whole
query does not. A count of all rows is made from what tells the rows apart: the key of a table, the grouping of a subquery.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import psycopg

from dpm_assets.columns.trees import Node, query_of

Column = tuple[str, str]
"""Table and column."""
Sources = frozenset[Column]

_NONE: Sources = frozenset()


class _Entry:
    """The kinds of entries of a range table, as the catalogue numbers them."""

    RELATION, SUBQUERY, JOIN, FUNCTION, VALUES, CTE, GROUP = "0", "1", "2", "3", "5", "6", "9"


class Catalogue:
    """Relations of one database, each looked up once. Views are seen through; tables and materialized views are sources."""

    def __init__(self, conn: "psycopg.Connection[Any]") -> None:
        self._conn = conn
        self._columns: dict[str, list[Sources]] = {}

    def made_from(self, query: str) -> list[Sources]:
        """The sources of each column of the text of a query, in order."""
        self._conn.execute(f"create temporary view lineage as {query}".encode())
        try:
            return _Query(self, self._rule("pg_temp.lineage"), None).columns()
        finally:
            self._conn.execute("drop view pg_temp.lineage")

    def view(self, name: str) -> list[Sources]:
        """The sources of each column of a view or materialized view."""
        return _Query(self, self._rule(name), None).columns()

    def columns(self, oid: str) -> list[Sources]:
        """The sources of each column of a relation, by attnum - 1."""
        if oid not in self._columns:
            name, kind, columns = self._relation(oid)
            self._columns[oid] = (
                self.view(f"prop_trading_model.{name}")
                if kind == "v"
                else [frozenset({(name, column)}) for column in columns]
            )
        return self._columns[oid]

    def rows(self, oid: str) -> Sources:
        """What tells the rows of a relation apart."""
        name, kind, columns = self._relation(oid)
        if kind == "v":
            return _Query(self, self._rule(f"prop_trading_model.{name}"), None).rows()
        found = self._conn.execute(
            "select array(select unnest(x.indkey)) from pg_index as x where x.indrelid = %s and x.indisunique"
            " order by x.indisprimary desc limit 1",
            [int(oid)],
        ).fetchone()
        return frozenset((name, columns[number - 1]) for number in found[0]) if found else _NONE

    def row_type(self, function: str) -> str | None:
        """The table whose rows a function returns."""
        found = self._conn.execute(
            "select t.typrelid::text from pg_proc as p join pg_type as t on t.oid = p.prorettype"
            " where p.oid = %s and t.typrelid <> 0",
            [int(function)],
        ).fetchone()
        return found[0] if found else None

    def _relation(self, oid: str) -> tuple[str, str, list[str]]:
        row: tuple[str, str, list[str]] | None = self._conn.execute(
            "select c.relname::text, c.relkind::text, array_agg(a.attname::text order by a.attnum)"
            " from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0"
            " where c.oid = %s group by c.oid",
            [int(oid)],
        ).fetchone()
        assert row is not None
        return row

    def _rule(self, view: str) -> Node:
        row = self._conn.execute(
            "select ev_action::text from pg_rewrite where ev_class = %s::regclass", [view]
        ).fetchone()
        assert row is not None
        return query_of(row[0])


class _Query:
    """A query within the one that holds it."""

    def __init__(self, catalogue: Catalogue, tree: Node, outer: "_Query | None") -> None:
        self._catalogue = catalogue
        self._tree = tree
        self._outer = outer

    def columns(self) -> list[Sources]:
        """The sources of each column that the query gives."""
        if self._tree["setOperations"]:
            branches = [self._subquery(self._range_table[place]) for place in _places([self._tree["setOperations"]])]
            return [_union(parts) for parts in zip(*(branch.columns() for branch in branches), strict=True)]
        return [self.expression(target["expr"]) for target in self._targets if target["resjunk"] == "false"]

    def rows(self) -> Sources:
        """What tells the rows of the query apart."""
        if self._tree["setOperations"]:
            places = _places([self._tree["setOperations"]])
            return _union(self._subquery(self._range_table[place]).rows() for place in places)
        if grouped := self._tree["groupClause"] or self._tree["distinctClause"]:
            return _union(self._sorted_by(clause) for clause in grouped)
        return self._rows_read()

    def expression(self, node: Any) -> Sources:
        """The sources of an expression of this query, or of a list of them."""
        if isinstance(node, list):
            return _union(map(self.expression, node))
        return self._node(node) if isinstance(node, dict) else _NONE

    def _node(self, node: Node) -> Sources:
        match node["kind"]:
            case "VAR":
                return self._up(int(node["varlevelsup"]))._variable(int(node["varno"]), int(node["varattno"]))
            case "SUBLINK":
                inner = _Query(self._catalogue, node["subselect"], self)
                condition = inner.expression(node["subselect"]["jointree"]["quals"])
                return _union([*inner.columns(), condition, self.expression(node["testexpr"])])
            case "AGGREF" if node["aggstar"] == "true":
                return self.expression(node["aggfilter"]) or self._rows_read()
            case "WINDOWFUNC":
                window = next(w for w in self._tree["windowClause"] if w["winref"] == node["winref"])
                ordered = _union(self._sorted_by(clause) for clause in window["orderClause"] or [])
                return self.expression([node["args"], node["aggfilter"]]) | ordered
        return self.expression(list(node.values()))

    @property
    def _targets(self) -> list[Node]:
        return self._tree["targetList"] or []

    @cached_property
    def _range_table(self) -> dict[int, Node]:
        return dict(enumerate(self._tree["rtable"] or [], start=1))

    @cached_property
    def _inner(self) -> dict[int, "_Query"]:
        return {}

    def _up(self, levels: int) -> "_Query":
        query = self
        for _ in range(levels):
            assert query._outer is not None
            query = query._outer
        return query

    def _subquery(self, entry: Node) -> "_Query":
        """The query behind an entry of the range table; looked at once, however many of its columns are asked for."""
        if id(entry) not in self._inner:
            if entry["rtekind"] == _Entry.CTE:
                holder = self._up(int(entry["ctelevelsup"]))
                named = next(cte for cte in holder._tree["cteList"] if cte["ctename"] == entry["ctename"])
                self._inner[id(entry)] = _Query(self._catalogue, named["ctequery"], holder)
            else:
                self._inner[id(entry)] = _Query(self._catalogue, entry["subquery"], self)
        return self._inner[id(entry)]

    def _variable(self, place: int, number: int) -> Sources:
        """A column of an entry of the range table; number 0 is the whole row."""
        entry = self._range_table[place]
        columns = self._columns_of(entry)
        return _union(columns) if number == 0 else columns[number - 1]

    def _columns_of(self, entry: Node) -> list[Sources]:
        match entry["rtekind"]:
            case _Entry.RELATION:
                return self._catalogue.columns(entry["relid"])
            case _Entry.SUBQUERY | _Entry.CTE:
                return self._subquery(entry)._columns_once
            case _Entry.JOIN:
                return [self.expression(alias) for alias in entry["joinaliasvars"]]
            case _Entry.GROUP:
                return [self.expression(grouped) for grouped in entry["groupexprs"]]
            case _Entry.FUNCTION:
                return self._function(entry)
            case _Entry.VALUES:
                return [self.expression(list(values)) for values in zip(*entry["values_lists"], strict=True)]
        raise ValueError(f"no column can be taken from a range table entry of kind {entry['rtekind']}")

    @cached_property
    def _columns_once(self) -> list[Sources]:
        return self.columns()

    def _function(self, entry: Node) -> list[Sources]:
        """Rows of a table that a function returns count as that table's; anything else is made from the arguments."""
        called = entry["functions"][0]["funcexpr"]
        table = self._catalogue.row_type(called["funcid"]) if called["kind"] == "FUNCEXPR" else None
        if table:
            return self._catalogue.columns(table)
        return [self.expression(called)] * len(entry["eref"]["colnames"])

    def _rows_of(self, entry: Node) -> Sources:
        match entry["rtekind"]:
            case _Entry.RELATION:
                return self._catalogue.rows(entry["relid"])
            case _Entry.SUBQUERY | _Entry.CTE:
                return self._subquery(entry).rows()
        return _NONE

    def _rows_read(self) -> Sources:
        """What tells the rows of the FROM apart."""
        return _union(
            self._rows_of(self._range_table[place]) for place in _places(self._tree["jointree"]["fromlist"] or [])
        )

    def _sorted_by(self, clause: Node) -> Sources:
        """The expression that a clause of grouping or ordering refers to."""
        return _union(
            self.expression(target["expr"])
            for target in self._targets
            if target["ressortgroupref"] == clause["tleSortGroupRef"]
        )


def _places(items: Iterable[Any]) -> list[int]:
    """The entries of the range table that a FROM, or a set operation, is made of."""
    found = []
    for item in items:
        if item["kind"] == "RANGETBLREF":
            found.append(int(item["rtindex"]))
        else:
            found += _places([item["larg"], item["rarg"]])
    return found


def _union(parts: Iterable[Sources]) -> Sources:
    return frozenset().union(*parts)
