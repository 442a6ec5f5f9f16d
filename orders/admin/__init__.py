"""The shop's people at work: orders, customers and stores in the admin."""

from orders.admin.customers import CustomerAdmin, StoreAdmin
from orders.admin.orders import OrderAdmin
from orders.admin.team import TeamAdmin

__all__ = ["CustomerAdmin", "OrderAdmin", "StoreAdmin", "TeamAdmin"]
