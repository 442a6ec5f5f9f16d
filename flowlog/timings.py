"""The times of the delivery protocol, as settings that are checked against each other.

All are seconds. The defaults are production's; tests shrink them. A combination that would let two
workers hold one message, or let a wake-up outlive its lease, refuses to start.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.core.exceptions import ImproperlyConfigured

from flowlog.broker import VISIBILITY_TIMEOUT
from flowlog.env import Env
from flowlog.translations import read_gettext as _


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in seconds. Each is the setting `NOTIFICATIONS_<NAME>`."""

    connect_timeout: float = 5
    read_timeout: float = 30
    soft_time_limit: float = 45
    hard_time_limit: float = 60
    lease: float = 90
    sweep_interval: float = 5
    wake_repeat: float = 60
    wake_repeat_max: float = 600
    lookup_first: float = 5
    lookup_second: float = 30
    lookup_last: float = 120
    probe_first: float = 15
    probe_max: float = 300
    expires_after: float = 24 * 3600

    def __post_init__(self) -> None:
        for smaller, larger in _INCREASING:
            if not getattr(self, smaller) < getattr(self, larger):
                raise ImproperlyConfigured(
                    _("%(smaller)s (%(less)g s) must be less than %(larger)s (%(more)g s).")
                    % {
                        "smaller": f"NOTIFICATIONS_{smaller.upper()}",
                        "less": getattr(self, smaller),
                        "larger": f"NOTIFICATIONS_{larger.upper()}",
                        "more": getattr(self, larger),
                    }
                )
        if not self.call_timeout < self.soft_time_limit:
            raise ImproperlyConfigured(
                _(
                    "NOTIFICATIONS_CONNECT_TIMEOUT + NOTIFICATIONS_READ_TIMEOUT (%(call)g s) must be less than "
                    "NOTIFICATIONS_SOFT_TIME_LIMIT (%(limit)g s)."
                )
                % {"call": self.call_timeout, "limit": self.soft_time_limit}
            )

        longest = max(self.send_hard_time_limit, self.lookup_hard_time_limit)
        if not longest < VISIBILITY_TIMEOUT:
            raise ImproperlyConfigured(
                _(
                    "NOTIFICATIONS_HARD_TIME_LIMIT (%(limit)g s) and the time for a look-up, three times "
                    "NOTIFICATIONS_CONNECT_TIMEOUT + NOTIFICATIONS_READ_TIMEOUT and more (%(longest)g s), must be less "
                    "than the broker's visibility time-out (%(visible)d s)."
                )
                % {"limit": self.hard_time_limit, "longest": longest, "visible": VISIBILITY_TIMEOUT}
            )

    @property
    def lookups(self) -> tuple[float, float, float]:
        """How long after its request began a message of unknown outcome is looked up."""
        return self.lookup_first, self.lookup_second, self.lookup_last

    @property
    def call_timeout(self) -> float:
        """The longest that one call to the gateway may take."""
        return self.connect_timeout + self.read_timeout

    @property
    def turn(self) -> float:
        """How long a task begins with one message of an instance after the other.

        So short that its limits, which leave the whole time for the last one, end it before the first one's lease.
        """
        return (self.lease - self.hard_time_limit) / 6

    @property
    def send_soft_time_limit(self) -> float:
        """What a task that sends may take: a turn, and the last message's time."""
        return self.turn + self.soft_time_limit

    @property
    def send_hard_time_limit(self) -> float:
        """The same, until its worker is killed."""
        return self.turn + self.hard_time_limit

    @property
    def lookup_soft_time_limit(self) -> float:
        """A look-up makes several calls: what three take at worst. One that takes longer is made again later."""
        return self.soft_time_limit + 2 * self.call_timeout

    @property
    def lookup_hard_time_limit(self) -> float:
        """The same, until its worker is killed."""
        return self.hard_time_limit + 2 * self.call_timeout

    @classmethod
    def from_env(cls, env: Env) -> Timings:
        """Read every duration; raises `ImproperlyConfigured` for a bad value or combination."""
        return cls(
            **{
                field.name: env.seconds(f"NOTIFICATIONS_{field.name.upper()}", float(field.default))  # type: ignore[arg-type]
                for field in fields(cls)
            }
        )


# Each pair closes a hole: a call must end before Celery's soft limit, the soft limit must leave time
# to record the outcome before the hard one, and no worker may be alive when its lease ends.
_INCREASING = (
    ("soft_time_limit", "hard_time_limit"),
    ("hard_time_limit", "lease"),
    ("wake_repeat", "wake_repeat_max"),
    ("lookup_first", "lookup_second"),
    ("lookup_second", "lookup_last"),
    # "Not found" is no proof while the call may still be under way.
    ("lease", "lookup_last"),
    ("lookup_last", "expires_after"),
    ("probe_first", "probe_max"),
)
