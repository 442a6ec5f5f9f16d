"""Columns that the apps above add to the order list, such as what became of an order's latest message.

A column is asked once per page, for all orders on it, so that the list costs the same whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from orders.models import Order


@dataclass(frozen=True, slots=True)
class Column:
    """`cells` returns ready HTML by the order's id; `visible` says who may see the column at all."""

    name: str
    title: str
    visible: Callable[[HttpRequest], bool]
    cells: Callable[[Sequence[Order]], dict[int, SafeString]]


_columns: list[Column] = []


def register_column(column: Column) -> None:
    """Let an app above add a column to the order list."""
    _columns.append(column)


def shown_to(request: HttpRequest) -> list[Callable[[Order], SafeString | str]]:
    """The columns for this person, as entries of `list_display`."""
    return [_display(column) for column in _columns if column.visible(request)]


def fill(request: HttpRequest, orders: Sequence[Order]) -> None:
    """Put on each order of a page what its cells will show."""
    for column in _columns:
        if column.visible(request):
            cells = column.cells(orders)
            for order in orders:
                setattr(order, _attribute(column), cells.get(order.pk, ""))


def _attribute(column: Column) -> str:
    return f"_column_{column.name}"


def _display(column: Column) -> Callable[[Order], SafeString | str]:
    @admin.display(description=column.title)
    def cell(order: Order) -> Any:
        return getattr(order, _attribute(column))

    # Names the column's CSS class in the list.
    cell.__name__ = column.name
    return cell
