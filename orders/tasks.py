"""The orders' periodic work, on the `default` queue."""

from celery import shared_task

from orders import services


@shared_task
def expire_pickups() -> int:
    """Expire the orders whose pickup deadline has passed; the result, how many, is kept for the admin."""
    return services.expire_due_pickups()
