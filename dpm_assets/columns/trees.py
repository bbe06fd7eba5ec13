"""The query trees of PostgreSQL's catalogue (pg_rewrite.ev_action) as dictionaries and lists.

A tree is text such as ({QUERY :targetList ({TARGETENTRY :expr {VAR :varno 1} :resname net}) :hasAggs false}).
"""

import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]
"""One node: its fields by name, and its kind under "kind". A value is a node, a list, a text, or None."""

_TOKEN = re.compile(r"[(){}]|(?:\\.|[^\s(){}\\])+", re.DOTALL)


def query_of(ev_action: str) -> Node:
    """The query of a view's one rule."""
    [query] = _value(_Tokens(ev_action))
    assert query["kind"] == "QUERY"
    return query  # type: ignore[no-any-return]


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens: Iterator[str] = (found[0] for found in _TOKEN.finditer(text))
        self.next: str | None = next(self._tokens, None)

    def take(self) -> str:
        token, self.next = self.next, next(self._tokens, None)
        if token is None:
            raise ValueError("the tree ends in the middle of a node")
        return token


def _value(tokens: _Tokens) -> Any:
    token = tokens.take()
    if token == "{":
        return _node(tokens)
    if token == "(":
        items = []
        while tokens.next != ")":
            items.append(_value(tokens))
        tokens.take()
        return items
    return None if token == "<>" else re.sub(r"\\(.)", r"\1", token)


def _node(tokens: _Tokens) -> Node:
    node: Node = {"kind": tokens.take()}
    while tokens.next != "}":
        field = tokens.take().removeprefix(":")
        values = []
        # A constant's bytes are several tokens; every other value is one.
        while tokens.next is not None and tokens.next != "}" and not tokens.next.startswith(":"):
            values.append(_value(tokens))
        node[field] = values[0] if len(values) == 1 else values
    tokens.take()
    return node
