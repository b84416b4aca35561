"""The parts of OData that the sandbox reads: simple filters, and opaque page tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from directories.sandbox.passwords import PasswordKeeper
from directories.sandbox.tokens import decode_base64url, encode_base64url

_LITERAL = r"(?P<{0}text>'(?:[^']|'')*')|(?P<{0}bare>[^\s()']+)"
_ANY = re.compile(
    r"\s*(?P<path>[A-Za-z]+)/any\(\s*(?P<v>[a-z]+)\s*:\s*(?P=v)(?P<below>/[A-Za-z]+)?"
    r"\s+(?P<op>eq)\s+(?:" + _LITERAL.format("") + r")\s*\)"
)
_PLAIN = re.compile(
    r"\s*(?P<path>[A-Za-z/]+)\s+(?P<op>eq|ge|gt|le|lt)\s+(?:" + _LITERAL.format("") + r")"
)
_JOIN = re.compile(r"\s+(and|or)\s+")


class FilterError(Exception):
    """The filter is not one that this sandbox understands."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; ``path`` of a lambda is ``name/any`` or ``name/any/below``."""

    path: str
    operator: str
    value: str
    is_text: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Comparisons joined all by ``and`` or all by ``or``."""

    join: Literal["and", "or"]
    conditions: tuple[Condition, ...]

    def holds(self, check: Callable[[Condition], bool]) -> bool:
        joined = any if self.join == "or" else all
        return joined(check(condition) for condition in self.conditions)


def parse_filter(text: str) -> Filter:
    """Read comparisons joined by ``and`` or ``or``, without parentheses. Raises FilterError."""
    conditions: list[Condition] = []
    joins: set[str] = set()
    position = 0
    while True:
        match = _ANY.match(text, position) or _PLAIN.match(text, position)
        if match is None:
            raise FilterError(text)
        named = match.groupdict()
        path = named["path"]
        if "v" in named:
            path += "/any" + (named["below"] or "")
        quoted = named["text"]
        value = quoted[1:-1].replace("''", "'") if quoted is not None else named["bare"]
        conditions.append(Condition(path, named["op"], value, quoted is not None))
        position = match.end()
        if not text[position:].strip():
            break
        joined = _JOIN.match(text, position)
        if joined is None:
            raise FilterError(text)
        joins.add(joined[1])
        position = joined.end()
    if len(joins) > 1:
        raise FilterError(text)
    return Filter("or" if "or" in joins else "and", tuple(conditions))


def seal_token(keeper: PasswordKeeper, scope: str, value: object) -> str:
    """Make an opaque token that holds ``value`` and is good for ``scope`` only."""
    content = json.dumps(value)
    return encode_base64url((keeper.digest(scope + "\n" + content)[:16] + content).encode())


def open_token(keeper: PasswordKeeper, scope: str, token: str) -> Any:
    """Return what ``seal_token`` put in. Raises ValueError for any other token."""
    text = decode_base64url(token).decode()
    if keeper.digest(scope + "\n" + text[16:])[:16] != text[:16]:
        raise ValueError("not a token of this scope")
    return json.loads(text[16:])
