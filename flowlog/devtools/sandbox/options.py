"""How the sandbox is to behave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flowlog.devtools.sandbox.faults import Fault


class ReplyForm(StrEnum):
    """How much a reply tells of its sender.

    The number alone; number and hidden address as the release tells them; the two as they were told before (2.3.6);
    the hidden address, and the number in a field of its own, as some builds do; the hidden address and a quotation;
    the hidden address and nothing else.
    """

    NUMBER = "number"
    LID = "lid"
    LID_FIRST = "lid_first"
    SENDER_PN = "sender_pn"
    ANONYMOUS = "anonymous"
    NAMELESS = "nameless"


class Version(StrEnum):
    """The gateway's releases that can be played: the newest, and the candidate for the one after it."""

    RELEASE = "2.3.7"
    CANDIDATE = "2.4.0-rc2"


class NewsFault(StrEnum):
    """What happens to the webhooks of the shop and the carrier.

    Each comes twice; comes late, so that later ones overtake it; the newest comes first; one comes for all that
    changed meanwhile; is signed with another secret.
    """

    NONE = "none"
    DUPLICATE = "duplicate"
    LATE = "late"
    REORDERED = "reordered"
    COALESCED = "coalesced"
    WRONG_SIGNATURE = "wrong_signature"


@dataclass(frozen=True, slots=True)
class Options:
    """How the sandbox behaves; `control.py` says what each of them means."""

    version: Version = Version.RELEASE
    licensed: bool = True
    latency_ms: float = 0
    error_rate: float = 0
    error_fault: Fault = Fault.SERVER_ERROR
    hang_seconds: float = 40
    failures: int = 2
    keep_messages: bool = True
    meta_code: int = 0
    meta_transient: bool = False
    meta_failure: int = 131026
    meta_window_seconds: float = 86_400
    meta_status: str = "CONNECTED"
    ghost_seconds: float = 0.5
    fault: Fault | None = None
    fault_count: int = 0
    search_status: int = 0
    search_hang_seconds: float = 0
    receipts: bool = True
    server_ack_seconds: float | None = 0.3
    delivery_ack_seconds: float | None = 1
    read_seconds: float | None = 5
    lid_receipts: bool = False
    lid_rows: bool = False
    reply_form: ReplyForm = ReplyForm.NUMBER
    send_message_seconds: float = 0
    webhook_jitter_seconds: float = 0
    webhook_copies: int = 1
    webhook_retry_scale: float = 1
    connect_seconds: float = 2
    pair_seconds: float | None = None
    news_fault: NewsFault = NewsFault.NONE
    news_hold_seconds: float = 20
