"""What a source needs to know of the system that it connects."""

from __future__ import annotations

from dataclasses import dataclass

from flowlog.translations import Words


@dataclass(frozen=True, slots=True)
class Credential:
    """One value that the owner enters: `label` names it to her, `help` says where she finds it.

    `secret`: it is never shown again. `required`: without it nothing is taken in; what is not serves to ask the system.
    `signs`: a secret that the source's signature is checked by; it is sent to nobody. `granted`: the system gives it
    when the shop's owner installs Flowlog there, so that nobody has to enter it.
    """

    name: str
    label: Words
    help: Words
    secret: bool = False
    required: bool = False
    signs: bool = False
    granted: bool = False
