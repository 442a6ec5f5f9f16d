"""The faults that the sandbox can show, and the numbers that always meet one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from flowlog.devtools.sandbox.http import Answer, answer, failure


class Fault(StrEnum):
    """The names by which `POST /sandbox/options` asks for a fault."""

    NOT_ON_WHATSAPP = "not_on_whatsapp"
    CONNECTION_CLOSED_400 = "connection_closed_400"
    CONNECTION_CLOSED_500 = "connection_closed_500"
    NEVER_PAIRED = "never_paired"
    NEVER_CONNECTED = "never_connected"
    HANG_THEN_SEND = "hang_then_send"
    HANG = "hang"
    RESET_AFTER_SEND = "reset_after_send"
    RESET = "reset"
    SERVER_ERROR = "server_error"
    NOT_STORED = "not_stored"
    META_AUTH = "meta_auth"
    META_RATE_LIMIT = "meta_rate_limit"
    META_RECIPIENT = "meta_recipient"
    META_OTHER = "meta_other"
    FAILS_THEN_WORKS = "fails_then_works"
    UNAUTHORIZED = "unauthorized"
    INSTANCE_NOT_FOUND = "instance_not_found"
    BAD_GATEWAY = "bad_gateway"
    DATABASE_DOWN = "database_down"
    TIMED_OUT = "timed_out"
    SERVER_ERROR_AFTER_SEND = "server_error_after_send"
    RECEIPT_ERROR = "receipt_error"
    NO_RECEIPTS = "no_receipts"
    NEVER_CONNECTED_400 = "never_connected_400"
    META_OUTSIDE_24_HOURS = "meta_outside_24_hours"
    META_UNKNOWN = "meta_unknown"


@dataclass(frozen=True, slots=True)
class MagicNumber:
    """Numbers that end in `ending` always meet `fault`; `meaning` is for the page."""

    ending: str
    fault: Fault
    meaning: str


MAGIC_NUMBERS = (
    MagicNumber("9001", Fault.NOT_ON_WHATSAPP, "não tem WhatsApp"),
    MagicNumber("9002", Fault.CONNECTION_CLOSED_400, "conexão fechada (400, lista)"),
    MagicNumber("9003", Fault.CONNECTION_CLOSED_500, "conexão fechada (500, texto)"),
    MagicNumber("9004", Fault.NEVER_PAIRED, "instância nunca pareada"),
    MagicNumber("9005", Fault.NEVER_CONNECTED, "instância nunca conectada"),
    MagicNumber("9006", Fault.HANG_THEN_SEND, "demora além do limite e envia"),
    MagicNumber("9007", Fault.HANG, "demora além do limite e não envia"),
    MagicNumber("9008", Fault.RESET_AFTER_SEND, "envia e derruba a conexão"),
    MagicNumber("9009", Fault.RESET, "derruba a conexão sem enviar"),
    MagicNumber("9010", Fault.SERVER_ERROR, "erro 500 sem enviar"),
    MagicNumber("9011", Fault.NOT_STORED, "envia, mas não grava (400 do banco)"),
    MagicNumber("9012", Fault.META_AUTH, "Meta: token expirado (201, código 190)"),
    MagicNumber("9013", Fault.META_RATE_LIMIT, "Meta: limite de envios (201, código 4)"),
    MagicNumber("9014", Fault.META_RECIPIENT, "Meta: destinatário não permitido (201, 131030)"),
    MagicNumber("9015", Fault.META_OTHER, "Meta: outro erro (201, 131000)"),
    MagicNumber("9016", Fault.FAILS_THEN_WORKS, "falha duas vezes e depois envia"),
    MagicNumber("9017", Fault.UNAUTHORIZED, "chave recusada (401)"),
    MagicNumber("9018", Fault.INSTANCE_NOT_FOUND, "instância inexistente (404)"),
    MagicNumber("9019", Fault.BAD_GATEWAY, "proxy responde 502 em HTML"),
    MagicNumber("9020", Fault.DATABASE_DOWN, "banco do gateway fora do ar"),
    MagicNumber("9021", Fault.TIMED_OUT, "500 Timed Out sem enviar"),
    MagicNumber("9022", Fault.SERVER_ERROR_AFTER_SEND, "envia e responde 500"),
    MagicNumber("9023", Fault.RECEIPT_ERROR, "aceita, e depois confirma que não entregou (ERROR)"),
    MagicNumber("9024", Fault.NO_RECEIPTS, "envia, e nenhuma confirmação vem"),
    MagicNumber("9025", Fault.NEVER_CONNECTED_400, "instância nunca conectada (400, lista)"),
    MagicNumber("9026", Fault.META_OUTSIDE_24_HOURS, "Meta: fora das 24 horas (201, 131047)"),
    MagicNumber("9027", Fault.META_UNKNOWN, "Meta: um código que ninguém conhece (201, 199999)"),
)
BY_ENDING = {number.ending: number.fault for number in MAGIC_NUMBERS}

SENDS = frozenset(
    {
        Fault.HANG_THEN_SEND,
        Fault.RESET_AFTER_SEND,
        Fault.NOT_STORED,
        Fault.SERVER_ERROR_AFTER_SEND,
        Fault.RECEIPT_ERROR,
        Fault.NO_RECEIPTS,
    }
)
"""The faults under which the message reaches the phone nevertheless."""
ACCEPTED = frozenset({Fault.HANG_THEN_SEND, Fault.RECEIPT_ERROR, Fault.NO_RECEIPTS})
"""Under these the gateway answers 201 as if nothing were."""
HANGS = frozenset({Fault.HANG_THEN_SEND, Fault.HANG})
RESETS = frozenset({Fault.RESET_AFTER_SEND, Fault.RESET})

_BAD = HTTPStatus.BAD_REQUEST
_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR
# The release is minified, so that the query named is the first of its line, before the send and after it alike.
_DATABASE = (
    "\nInvalid `this.prismaRepository.contact.findMany()` invocation in\n/evolution/dist/main.js:198:5427\n\n"
    "  195 `),this.logger.log(t)}async fetchContacts(e){let t=e?.where?.id;\n  196 \n  197 \n"
    "→ 198 return await this.prismaRepository.contact.findMany(\n"
    "Can't reach database server at `postgres:5432`\n\n"
    "Please make sure your database server is running at `postgres:5432`."
)
_UNDEFINED = "Cannot read properties of undefined (reading '{}')"


def meta_refusal(code: int, message: str, *, transient: bool = False) -> Answer:
    """Meta's own error object, which the gateway passes on as if all were well."""
    error = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "AsandboxTrace"}
    return answer(HTTPStatus.CREATED, {**error, "is_transient": True} if transient else error)


_ANSWERS = {
    Fault.CONNECTION_CLOSED_400: failure(_BAD, ["Error: Connection Closed"]),
    Fault.CONNECTION_CLOSED_500: failure(_ERROR, "Connection Closed"),
    Fault.NEVER_PAIRED: failure(_BAD, ["TypeError: " + _UNDEFINED.format("id")]),
    Fault.NEVER_CONNECTED: failure(_ERROR, _UNDEFINED.format("onWhatsApp")),
    Fault.NEVER_CONNECTED_400: failure(_BAD, ["TypeError: " + _UNDEFINED.format("sendMessage")]),
    Fault.HANG: failure(_ERROR, "Timed Out"),
    Fault.SERVER_ERROR: failure(_ERROR, "Internal Server Error"),
    Fault.NOT_STORED: failure(_BAD, ["PrismaClientKnownRequestError: " + _DATABASE]),
    Fault.META_AUTH: meta_refusal(190, "Error validating access token: Session has expired"),
    Fault.META_RATE_LIMIT: meta_refusal(4, "Application request limit reached"),
    Fault.META_RECIPIENT: meta_refusal(131030, "Recipient phone number not in allowed list"),
    Fault.META_OTHER: meta_refusal(131000, "Something went wrong"),
    Fault.META_OUTSIDE_24_HOURS: meta_refusal(131047, "Re-engagement message"),
    Fault.META_UNKNOWN: meta_refusal(199999, "An error that nobody knows"),
    Fault.FAILS_THEN_WORKS: failure(_ERROR, _UNDEFINED.format("find")),
    Fault.UNAUTHORIZED: failure(HTTPStatus.UNAUTHORIZED, "Unauthorized"),
    Fault.BAD_GATEWAY: Answer(
        HTTPStatus.BAD_GATEWAY,
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>"
        b"\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        "text/html",
    ),
    Fault.DATABASE_DOWN: failure(_ERROR, _DATABASE),
    Fault.TIMED_OUT: failure(_ERROR, "Timed Out"),
    Fault.SERVER_ERROR_AFTER_SEND: failure(_ERROR, "Internal Server Error"),
}


def fault_answer(fault: Fault, *, instance: str, jid: str, number: str) -> Answer:
    """What the gateway says under `fault`, for every fault that has an answer of its own."""
    if fault is Fault.NOT_ON_WHATSAPP:
        return failure(_BAD, [{"jid": jid, "exists": False, "number": number}])
    if fault is Fault.INSTANCE_NOT_FOUND:
        return instance_not_found(instance)
    return _ANSWERS[fault]


def instance_not_found(instance: str) -> Answer:
    """What every call for an instance that does not exist gets, whatever its key."""
    return failure(HTTPStatus.NOT_FOUND, [f'The "{instance}" instance does not exist'])
