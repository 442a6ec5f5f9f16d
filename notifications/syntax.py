"""The small language of messages' texts: `{variable}`, and `{se variable}…{senão}…{fim}` for what is said only then.

There is nothing else in it: no loops, no calls, no way into anything. Names are read as people type them, without
accents, capitals and underscores. A line of nothing but `{se …}`, `{senão}` and `{fim}` leaves no line behind, and
neither does one whose variables are all empty. Marks of WhatsApp's that the text puts around a variable hold whatever
is in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from notifications.marks import without

_TAG = re.compile(r"\{([^{}\n]*)\}|[{}]")
_OPENING = re.compile(r"se\b ?")
_ELSE, _END = "senao", "fim"
_BLOCK_LINE = re.compile(
    r"^[ \t]*(?:\{[ \t]*(?:se\b[^{}\n]*|(?:sen[aã]o|fim)[ \t]*)\}[ \t]*)+\n", re.IGNORECASE | re.MULTILINE
)
_MARKS = "*_~"
# So many conditions within each other nobody can read; and none can exhaust the stack.
DEEPEST = 5
# Nor so many variables; and each costs something.
MOST_TAGS = 200


@dataclass(frozen=True, slots=True)
class Value:
    """What stands for a variable. `marked`: it has marks of its own, or is a link, and takes none from around it."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A place for a value. `mark` stands around it, `nearby` elsewhere in its line."""

    name: str
    start: int
    end: int
    mark: str = ""
    nearby: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is said if the variable has a value, and otherwise."""

    name: str
    start: int
    end: int
    then: tuple[Node, ...] = ()
    otherwise: tuple[Node, ...] = ()


type Node = str | Variable | Condition


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong between these places of the text; `code` says how, `what` is what was typed there."""

    code: str
    what: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text as it was read; with faults, as far as it could be."""

    nodes: tuple[Node, ...]
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Open:
    """A `{se …}` whose end has not come yet; the outermost is the text itself."""

    name: str = ""
    start: int = 0
    end: int = 0
    then: list[Node] = field(default_factory=list)
    otherwise: list[Node] | None = None

    def add(self, node: Node) -> None:
        (self.then if self.otherwise is None else self.otherwise).append(node)


def fold(name: str) -> str:
    """A name as it is compared: `Código_de  rastreio` is `codigo de rastreio`."""
    plain = unicodedata.normalize("NFKD", name)
    return " ".join(
        "".join(each for each in plain if not unicodedata.combining(each)).replace("_", " ").lower().split()
    )


@lru_cache(maxsize=512)
def parse(text: str) -> Parsed:
    """Read a text. Never raises: what cannot be read is a fault."""
    faults: list[Fault] = []
    open_blocks = [_Open()]
    swallowed = {match.end() - 1 for match in _BLOCK_LINE.finditer(text)}
    position = 0
    for number, match in enumerate(_TAG.finditer(text)):
        if number == MOST_TAGS:
            faults.append(Fault("too_many", match[0], *match.span()))
            break
        mark = _mark_around(text, match, position)
        _add_words(open_blocks[-1], text, position, match.start() - len(mark), swallowed)
        position = match.end() + len(mark)
        if match[1] is None:
            faults.append(Fault("brace", match[0], *match.span()))
        else:
            _read_tag(match, mark, _marks_nearby(text, match), open_blocks, faults)
    _add_words(open_blocks[-1], text, position, len(text), swallowed)
    while len(open_blocks) > 1:
        block = open_blocks[-1]
        faults.append(Fault("no_end", text[block.start : block.end], block.start, block.end))
        _close(open_blocks)
    return Parsed(tuple(open_blocks[0].then), tuple(sorted(faults, key=lambda fault: fault.start)))


def fill(nodes: Iterable[Node], values: Mapping[str, Value]) -> str:
    """The text with the values, by folded name; what has none is empty."""
    lines = [""]
    left_empty = [False]
    for piece, is_value in _pieces(nodes, values):
        first, *others = piece.split("\n")
        lines[-1] += first
        left_empty[-1] |= is_value and not piece
        lines += others
        left_empty += [False] * len(others)
    return "\n".join(line for line, empty in zip(lines, left_empty, strict=True) if line.strip() or not empty)


def named(nodes: Iterable[Node]) -> Iterator[Variable | Condition]:
    """Every place that names a variable, in the order of the text."""
    for node in nodes:
        if isinstance(node, Variable):
            yield node
        elif isinstance(node, Condition):
            yield node
            yield from named(node.then)
            yield from named(node.otherwise)


def longest_way(nodes: Iterable[Node], values: Mapping[str, Value]) -> Iterator[Node]:
    """The same without conditions: of each the branch that comes to more, whatever its variable has."""
    for node in nodes:
        if isinstance(node, Condition):
            ways = [list(longest_way(branch, values)) for branch in (node.then, node.otherwise)]
            yield from max(ways, key=lambda way: len(fill(way, values)))
        else:
            yield node


def is_always_said(name: str, nodes: Iterable[Node]) -> bool:
    """Whether the variable stands in the text whatever its conditions come to."""
    return any(
        node.name == name
        if isinstance(node, Variable)
        else is_always_said(name, node.then) and is_always_said(name, node.otherwise)
        for node in nodes
        if not isinstance(node, str)
    )


def _read_tag(match: re.Match[str], mark: str, nearby: str, open_blocks: list[_Open], faults: list[Fault]) -> None:
    name, (start, end) = fold(match[1]), match.span()
    block = open_blocks[-1]
    if name in {_END, _ELSE}:
        if len(open_blocks) == 1 or (name == _ELSE and block.otherwise is not None):
            faults.append(Fault("no_start", match[0], start, end))
        elif name == _END:
            _close(open_blocks)
        else:
            block.otherwise = []
    elif not name or name == "se":
        faults.append(Fault("no_name", match[0], start, end))
    elif opening := _OPENING.match(name):
        if len(open_blocks) > DEEPEST:
            faults.append(Fault("too_deep", match[0], start, end))
        else:
            open_blocks.append(_Open(name[opening.end() :], start, end))
    else:
        block.add(Variable(name, start, end, mark, nearby))


def _close(open_blocks: list[_Open]) -> None:
    block = open_blocks.pop()
    node = Condition(block.name, block.start, block.end, tuple(block.then), tuple(block.otherwise or ()))
    open_blocks[-1].add(node)


def _add_words(block: _Open, text: str, start: int, end: int, swallowed: set[int]) -> None:
    words = "".join(text[place] for place in range(start, end) if place not in swallowed)
    if words:
        block.add(words)


def _mark_around(text: str, match: re.Match[str], position: int) -> str:
    """The mark that stands right before and behind the tag, which is a variable's."""
    start, end = match.span()
    before = text[start - 1] if start > position else ""
    is_block = match[1] is None or _OPENING.match(name := fold(match[1])) or name in {_ELSE, _END}
    return before if before and before in _MARKS and text[end : end + 1] == before and not is_block else ""


def _marks_nearby(text: str, match: re.Match[str]) -> str:
    """The marks that the text itself has in the tag's line."""
    end = text.find("\n", match.end())
    line = text[text.rfind("\n", 0, match.start()) + 1 : end if end >= 0 else len(text)]
    line = _TAG.sub("", line)
    return "".join(mark for mark in _MARKS if mark in line)


def _pieces(nodes: Iterable[Node], values: Mapping[str, Value]) -> Iterator[tuple[str, bool]]:
    for node in nodes:
        if isinstance(node, str):
            yield node, False
            continue
        value = values.get(node.name, Value(""))
        if isinstance(node, Variable):
            yield _written(node, value), True
        else:
            yield from _pieces(node.then if value.text else node.otherwise, values)


def _written(node: Variable, value: Value) -> str:
    if value.marked or not node.mark + node.nearby:
        return value.text
    text = without(node.mark + node.nearby, value.text)
    if not node.mark:
        return text
    return "\n".join(f"{node.mark}{line}{node.mark}" if line.strip() else line for line in text.split("\n"))
