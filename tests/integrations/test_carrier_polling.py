"""Carriers that are asked: Correios, and Melhor Envio about labels bought elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from integrations import tasks
from integrations.carriers import intake, polled, polling
from integrations.carriers.models import CarrierConnection, CarrierNews, ParcelAsked
from integrations.carriers.news import ParcelNews
from integrations.carriers.sources import melhorenvio as melhor_envio
from integrations.carriers.sources.correios import MEANINGS, _news
from integrations.models import NotificationLog
from integrations.sources import calls
from orders.models import Order, OrderEvent, Store
from orders.services import apply_transition
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.integrations import carriers
from tests.integrations.parcels import LABEL, label, make_connection, results, send
from tests.integrations.raw_server import Connection, RawServer, raw_server

pytestmark = pytest.mark.django_db

BRASILIA = timedelta(hours=-3)
TOKEN = ("201 Created", {"token": "tok-1"}, "")


@pytest.fixture(autouse=True)
def instance() -> None:
    make_instance()


@contextmanager
def carrier(*answers: tuple[str, Any, str]) -> Iterator[RawServer]:
    """One that gives these answers one after the other: status, JSON, headers; then the last one again."""
    left = list(answers)

    def talk(connection: Connection) -> None:
        while request := connection.request():
            server.requests.append(request)
            status, body, headers = left.pop(0) if len(left) > 1 else left[0]
            connection.answer(json.dumps(body).encode(), status, headers)

    with raw_server(talk) as server:
        yield server


def lines(server: RawServer) -> list[str]:
    return [request.split(b"\r\n")[0].decode() for request in server.requests]


def correios(url: str = "http://127.0.0.1:9", **values: Any) -> CarrierConnection:
    credentials = {"user": "loja", "code": "senha", "card": "0067599079", "address": url}
    return make_connection("correios", credentials=credentials, **values)


def melhorenvio(url: str = "http://127.0.0.1:9", **values: Any) -> CarrierConnection:
    credentials = {"secret": "s", "token": "tok", "mail": "loja@example.com", "address": url}
    return make_connection("melhorenvio", credentials=credentials, **values)


def event(word: str, minutes_ago: float = 10, text: str = "Objeto em movimento") -> dict[str, Any]:
    """As Correios write it: Brasília's time, without offset."""
    code, _space, kind = word.partition(" ")
    when = (datetime.now(UTC) - timedelta(minutes=minutes_ago) + BRASILIA).replace(tzinfo=None, microsecond=0)
    return {
        "codigo": code, "tipo": kind or "01", "dtHrCriado": when.isoformat(), "descricao": text,
        "unidade": {"tipo": "Agência dos Correios", "endereco": {"cidade": "CAMPINAS", "uf": "SP"}},
    }  # fmt: skip


def answer(*events: dict[str, Any], code: str = TRACKING_CODE) -> tuple[str, Any, str]:
    """Of one parcel, the newest event first."""
    return "200 OK", {"versao": "1", "quantidade": 1, "objetos": [{"codObjeto": code, "eventos": [*events]}]}, ""


def way(order: Order) -> list[str]:
    order.refresh_from_db()
    return carriers.way(order)


def told() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def parcel(until: str = "shipped", **values: Any) -> Order:
    return make_order(until=until, **{"delivery_method": "correios_pac", **values})


def ask_again() -> None:
    CarrierConnection.objects.update(poll_due_at=Now(), calls_from=None)
    tasks.poll_carriers()
    intake.process()


# What becomes of a parcel that is out for delivery, or shipped where that is what comes before.
_OUTCOMES = {
    "repeated": "PO_01 PO_09 CO_01",
    "noted": "LDI_01 LDI_02 LDI_03 LDI_04 LDI_14 BDE_24 OEC_09 LDE_01",
    "nothing": "RO_01 DO_01 PMT_01 PAR_18 RO_99",
    "staff": "BDE_09 BDE_28 IDC_01 EST_01",
    "out_for_delivery": "OEC_01",
    "deliver": "BDE_01 BDI_01 BDR_01",
    "fail_delivery": "BDE_20 BDE_25 BDE_02 BDE_07 BDE_18 BDE_19 BDI_20 BDR_20 FC_04 FC_07 "
    "BDE_04 BDE_05 BDE_06 BDE_08 BDE_10 BDE_21 BDE_26 FC_01 FC_47",
    "refused": "BDE_23",
    "no_meaning": "BDE_99 OEC_02 LDI_77 ZZ_01",
}
OUTCOMES = {word.replace("_", " "): what for what, words in _OUTCOMES.items() for word in words.split()}
STEPS = {"out_for_delivery", "deliver", "fail_delivery"}


class TestWhatCorreiosMean:
    def test_all_meanings_are_looked_at(self) -> None:
        families = {word.partition(" ")[0] for word in OUTCOMES}
        assert {word for word in MEANINGS if word not in OUTCOMES} <= families

    @pytest.mark.parametrize("word", OUTCOMES)
    def test_each_code_and_type(self, word: str) -> None:
        order = parcel()
        with carrier(TOKEN, answer(event(word, text="Carteiro não atendido"))) as server:
            correios(server.url)
            ask_again()
        what = OUTCOMES[word]
        steps = [what] if what in STEPS else []
        assert (way(order), told()) == (["confirm", "ship", *steps], steps)
        [(said, result)] = results()
        assert result == ("applied" if steps else what)
        assert said.split()[0] in (word.split(maxsplit=1)[0], "BDE")
        if what == "fail_delivery":
            assert order.events.latest("pk").note == "Carteiro não atendido"

    def test_back_at_the_shop_after_a_failure_it_is_returned(self) -> None:
        order = parcel()
        failed, back = event("BDE 21", 60), event("BDE 23", 5)
        with carrier(TOKEN, answer(back, event("OEC 09", 30), failed)) as server:
            correios(server.url)
            ask_again()
        assert (way(order), order.status) == (["confirm", "ship", "fail_delivery", "return_order"], "returned")
        assert told() == ["return_order"]
        assert results() == [("BDE 21", "applied"), ("OEC 09", "noted"), ("BDE 23", "applied")]

    def test_that_it_goes_back_is_told_once(self) -> None:
        order = parcel()
        said = [event("BDE 10", 60)]
        with carrier(TOKEN, answer(*said)) as server:
            correios(server.url)
            ask_again()
        said = [event("BDE 26", 10), event("OEC 01", 30), *said]
        with carrier(TOKEN, answer(*said)) as server:
            CarrierConnection.objects.get().keep({})
            connection = CarrierConnection.objects.get()
            connection.keep({"user": "loja", "code": "senha", "card": "1", "address": server.url})
            connection.save()
            ask_again()
        assert way(order) == ["confirm", "ship", "fail_delivery", "out_for_delivery"]
        assert results() == [("BDE 10", "applied"), ("OEC 01", "applied"), ("BDE 26", "noted")]

    @pytest.mark.parametrize("at_once", [True, False])
    def test_after_an_attempt_that_failed_it_is_for_the_staff(self, at_once: bool) -> None:
        """There was no further attempt that a customer could be told of, and nobody else hears of it."""
        order = parcel()
        failed, back = event("BDE 20", 60, "Carteiro não atendido"), event("BDE 21", 10, "Objeto será devolvido")
        connection = correios()
        polling.store(connection, news_of(failed))
        if not at_once:
            intake.process()
        polling.store(connection, news_of(back))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship", "fail_delivery"], ["fail_delivery"])
        assert order.events.latest("pk").note == "Carteiro não atendido"
        assert results() == [("BDE 20", "applied"), ("BDE 21", "staff")]
        reason = "Volta para a loja. A transportadora diz: Objeto será devolvido."
        assert CarrierNews.objects.latest("pk").reason == reason
        polling.store(connection, news_of(event("BDE 26", 5)))
        intake.process()
        assert (results()[-1], told()) == (("BDE 26", "noted"), ["fail_delivery"])

    def test_of_two_attempts_at_once_one_is_told(self) -> None:
        order = parcel()
        polling.store(correios(), news_of(event("BDE 20", 60), event("BDE 20", 30)))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship", "fail_delivery"], ["fail_delivery"])


def news_of(*events: dict[str, Any], code: str = TRACKING_CODE) -> list[ParcelNews]:
    return [_news(code, each) for each in events]


class TestTimesThatCannotBe:
    @pytest.mark.parametrize("when", ["2099-03-01T10:00:00", "1970-01-01T00:00:00"])
    def test_such_news_moves_nothing_and_is_for_the_staff(self, when: str) -> None:
        order = parcel()
        connection = correios()
        polling.store(connection, news_of({**event("BDE 20"), "dtHrCriado": when}))
        intake.process()
        assert (way(order), told(), results()) == (["confirm", "ship"], [], [("BDE 20", "staff")])
        day = "/".join(reversed(when.partition("T")[0].split("-")))
        row = CarrierNews.objects.get()
        reason = f"A transportadora diz que isto foi em {day}, o que não pode ser: confira."
        assert (row.reason, row.order, row.status) == (reason, order, "")
        # What really happened before it came in is not overtaken by it.
        polling.store(connection, news_of(event("OEC 01", 30)))
        intake.process()
        assert (way(order)[2:], told()) == (["out_for_delivery"], ["out_for_delivery"])

    def test_it_keeps_nobody_from_hearing_of_other_news(self) -> None:
        order = parcel()
        wrong = {**event("BDE 01"), "dtHrCriado": "2099-03-01T10:00:00"}
        polling.store(correios(), news_of(wrong, event("OEC 01", 30)))
        intake.process()
        assert (way(order)[2:], told()) == (["out_for_delivery"], ["out_for_delivery"])

    def test_a_clock_that_is_hours_ahead_counts_as_now(self) -> None:
        """As of a carrier that writes another time zone than it is said to."""
        order = parcel()
        polling.store(correios(), news_of(event("OEC 01", -180)))
        intake.process()
        assert (way(order)[2:], told()) == (["out_for_delivery"], ["out_for_delivery"])
        assert abs(CarrierNews.objects.get().occurred_at - timezone.now()) < timedelta(minutes=1)


class TestAsking:
    def test_it_asks_by_the_token_of_the_card(self) -> None:
        parcel()
        with carrier(TOKEN, answer(event("OEC 01"))) as server:
            correios(server.url)
            ask_again()
            ask_again()
            ask_again()
        # The token is kept.
        path = f"/srorastro/v1/objetos?codigosObjetos={TRACKING_CODE}&resultado=T"
        assert lines(server) == ["POST /token/v1/autentica/cartaopostagem HTTP/1.1", *[f"GET {path} HTTP/1.1"] * 3]
        basic = base64.b64encode(b"loja:senha")
        assert b"Authorization: Basic " + basic in server.requests[0]
        assert server.requests[0].endswith(b'{"numero": "0067599079"}')
        assert b"Authorization: Bearer tok-1" in server.requests[1]
        assert results() == [("OEC 01", "applied")]

    def test_other_credentials_get_another_token(self) -> None:
        parcel()
        with carrier(TOKEN, answer(), TOKEN, answer()) as server:
            connection = correios(server.url)
            ask_again()
            connection.keep({"user": "loja", "code": "nova", "card": "1", "address": server.url})
            connection.save()
            ask_again()
        assert [line.split()[0] for line in lines(server)] == ["POST", "GET", "POST", "GET"]

    def test_several_at_once_are_told_of_by_the_last_one(self) -> None:
        order = parcel()
        with carrier(TOKEN, answer(event("BDE 01", 5), event("OEC 01", 60), event("PO 01", 600))) as server:
            correios(server.url)
            ask_again()
        assert (way(order), told()) == (["confirm", "ship", "out_for_delivery", "deliver"], ["deliver"])

    def test_each_event_counts_once(self) -> None:
        order = parcel()
        first, second = event("BDE 20", 60), event("OEC 01", 30)
        with carrier(TOKEN, answer(first), answer(first), answer(second, first)) as server:
            correios(server.url)
            for _time in range(3):
                ask_again()
        assert way(order) == ["confirm", "ship", "fail_delivery", "out_for_delivery"]
        assert (CarrierNews.objects.count(), told()) == (2, ["fail_delivery", "out_for_delivery"])

    def test_it_is_not_asked_again_before_its_turn(self) -> None:
        parcel()
        with carrier(TOKEN, answer()) as server:
            correios(server.url)
            tasks.poll_carriers()
            tasks.poll_carriers()
            assert len(server.requests) == 2
        wait = CarrierConnection.objects.annotate(wait=F("poll_due_at") - Now()).get().wait
        assert timedelta(minutes=59) < wait <= timedelta(hours=1)

    def test_times_without_offset_are_brasilias(self) -> None:
        parcel()
        with carrier(TOKEN, answer(event("OEC 01", 60))) as server:
            correios(server.url)
            ask_again()
        assert abs(timezone.now() - timedelta(minutes=60) - CarrierNews.objects.get().occurred_at) < timedelta(
            seconds=90
        )

    def test_fifty_at_once_are_asked_for(self) -> None:
        codes = [checked(number) for number in range(51)]
        for start in range(0, 51, 4):
            order = parcel("confirmed")
            apply_transition(order, "ship", notify=False, tracking_code=", ".join(codes[start : start + 4]))
        with carrier(TOKEN, answer()) as server:
            correios(server.url)
            tasks.poll_carriers()
        asked = [parse_qs(urlsplit(line.split()[1]).query)["codigosObjetos"] for line in lines(server)[1:]]
        assert [len(each) for each in asked] == [50, 1]
        assert {code for each in asked for code in each} == set(codes)

    def test_only_what_is_under_way_with_correios_is_asked_for(self) -> None:
        other = Store.objects.create(name="Outra")
        make_instance(other, name="outra")
        parcel("delivered"), parcel("confirmed"), parcel(delivery_method="carrier")
        strange = parcel("confirmed")
        apply_transition(strange, "ship", notify=False, tracking_code="JAD123")
        old = parcel()
        OrderEvent.objects.filter(order=old).update(created_at=Now() - polling.FORGOTTEN)
        parcel(store=other)
        connection = correios()
        assert [each.code for each in polling.parcels(connection)] == ["JAD123"]
        with carrier(TOKEN, answer()) as server:
            connection.keep({"user": "loja", "code": "senha", "card": "1", "address": server.url})
            connection.save()
            tasks.poll_carriers()
            # What is no code of Correios is not asked for.
            assert [line.split()[0] for line in lines(server)] == ["POST"]

    def test_an_unknown_parcel_is_no_news(self) -> None:
        parcel()
        unknown = {"objetos": [{"codObjeto": TRACKING_CODE, "mensagem": "SRO-020: Objeto não encontrado"}]}
        with carrier(TOKEN, ("200 OK", unknown, "")) as server:
            correios(server.url)
            ask_again()
        connection = CarrierConnection.objects.get()
        assert (connection.last_error, connection.last_news_at, results()) == ("", None, [])

    def test_what_was_before_the_connection_is_told_nobody(self) -> None:
        order = parcel()
        with carrier(TOKEN, answer(event("OEC 01", 60))) as server:
            correios(server.url, created_at=timezone.now())
            ask_again()
        assert (way(order), told()) == (["confirm", "ship", "out_for_delivery"], [])

    def test_what_was_forgotten_is_not_told_again(self, settings: Any) -> None:
        parcel()
        days = settings.RETENTION_WEBHOOKS_DAYS
        with carrier(TOKEN, answer(event("LDI 01", 60), event("EST 01", (days + 1) * 1440))) as server:
            correios(server.url)
            ask_again()
        assert results() == [("LDI 01", "noted")]

    def test_what_was_asked_for_is_written_down_whole(self) -> None:
        news = ParcelNews(
            word="BDE 01", occurred_at=datetime.now(UTC), codes=("A", "B"), tags=("C",), external_id="x",
            tracking_url="https://example.com", description="ç",
        )  # fmt: skip
        assert polled.read(polled.write(news)) == news
        assert polled.read(polled.write(ParcelNews(word="x"))) == ParcelNews(word="x")


def checked(number: int) -> str:
    """A code of Correios with this number and its check digit."""
    digits = f"{number:08}"
    rest = 11 - sum(w * int(d) for w, d in zip((8, 6, 4, 2, 3, 5, 9, 7), digits, strict=True)) % 11
    return f"AA{digits}{ {10: 0, 11: 5}.get(rest, rest) }BR"


class TestWhatFails:
    @pytest.mark.parametrize(
        ("answers", "sentence"),
        [
            ((("401 Unauthorized", {}, ""),), "Os Correios não aceitaram as credenciais (401)"),
            ((("200 OK", {}, ""),), "Os Correios não aceitaram as credenciais (200)"),
            ((TOKEN, ("403 Forbidden", {}, "")), "Os Correios não informam sobre as encomendas (403)"),
            ((TOKEN, ("500 Oops", {}, "")), "O sistema respondeu com 500."),
            ((TOKEN, ("200 OK", [], "")), "Os Correios não informam sobre as encomendas (200)"),
        ],
    )
    def test_nothing_is_lost_by_it(self, answers: Any, sentence: str) -> None:
        order = parcel()
        with carrier(*answers) as server:
            connection = correios(server.url)
            ask_again()
            connection.refresh_from_db()
            assert connection.last_error.startswith(sentence)
            wait = CarrierConnection.objects.annotate(wait=F("poll_due_at") - Now()).get().wait
            assert timedelta(hours=1) < wait <= timedelta(hours=2)
        assert way(order) == ["confirm", "ship"]
        with carrier(TOKEN, answer(event("BDE 01", 5), event("OEC 01", 60))) as server:
            connection.keep({"user": "loja", "code": "senha", "card": "1", "address": server.url})
            connection.save()
            ask_again()
        connection.refresh_from_db()
        assert (way(order)[2:], connection.last_error) == (["out_for_delivery", "deliver"], "")

    def test_a_token_that_is_over_is_no_more_used(self) -> None:
        parcel()
        with carrier(TOKEN, ("401 Unauthorized", {}, ""), TOKEN, answer(event("OEC 01"))) as server:
            correios(server.url)
            ask_again()
            ask_again()
        assert [line.split()[0] for line in lines(server)] == ["POST", "GET", "POST", "GET"]
        assert results() == [("OEC 01", "applied")]

    def test_one_that_wants_rest_gets_it(self) -> None:
        parcel()
        with carrier(TOKEN, ("429 Too Many Requests", {}, "Retry-After: 1800\r\n")) as server:
            correios(server.url)
            tasks.poll_carriers()
            tasks.poll_carriers()
            assert len(server.requests) == 2
        row = CarrierConnection.objects.annotate(wait=F("calls_from") - Now()).get()
        assert timedelta(minutes=29) < row.wait <= timedelta(minutes=30)
        assert row.last_error == ""

    def test_without_its_keys_or_switched_off_it_is_not_asked(self) -> None:
        make_connection("correios", credentials={"user": "loja"})
        correios(is_on=False)
        make_connection("melhorenvio")
        assert polling.due() == []

    def test_what_was_answered_before_it_failed_counts(self) -> None:
        codes = [checked(number) for number in range(51)]
        for start in range(0, 51, 4):
            order = parcel("confirmed")
            apply_transition(order, "ship", notify=False, tracking_code=", ".join(codes[start : start + 4]))
        with carrier(TOKEN, answer(event("LDI 01"), code=codes[50]), ("503 Away", {}, "")) as server:
            correios(server.url)
            ask_again()
        assert results() == [("LDI 01", "noted")]


class SlowCarrier:
    """Melhor Envio that finds nothing, and takes ten seconds for each answer by the clock that asking goes by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.answer: tuple[str, Any] = ("200 OK", [])
        clock = SimpleNamespace(monotonic=lambda: self.now)
        for module in (polling, calls):
            monkeypatch.setattr(module, "time", clock)

    def talk(self, connection: Connection) -> None:
        while request := connection.request():
            self.asked.append(request.split()[1].decode().rpartition("=")[2])
            self.now += 10
            status, body = self.answer
            connection.answer(json.dumps(body).encode(), status)

    def hour(self) -> list[str]:
        """The codes that it is asked about within an hour or so."""
        begun = len(self.asked)
        ask_again()
        return self.asked[begun:]


def shipped(*numbers: int) -> list[str]:
    codes = [checked(number) for number in numbers]
    apply_transition(parcel("confirmed"), "ship", notify=False, tracking_code=", ".join(codes))
    return codes


class TestTurns:
    @pytest.fixture
    def slow(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowCarrier]:
        slow = SlowCarrier(monkeypatch)
        with raw_server(slow.talk) as server:
            melhorenvio(server.url)
            yield slow

    def test_what_there_is_no_time_for_is_asked_soon_and_alone(self, slow: SlowCarrier) -> None:
        codes = [code for number in range(5) for code in shipped(number)]
        # The time is looked at before each call.
        assert slow.hour() == codes[:2]
        row = CarrierConnection.objects.annotate(wait=F("poll_due_at") - Now()).get()
        assert timedelta(minutes=4) < row.wait <= polling.SOON
        assert row.last_error == ""
        assert (slow.hour(), slow.hour()) == (codes[2:4], codes[4:])
        row = CarrierConnection.objects.annotate(wait=F("poll_due_at") - Now()).get()
        assert timedelta(minutes=59) < row.wait <= polling.EVERY
        assert slow.hour() == codes[:2]

    def test_what_was_learnt_is_kept_whatever_comes_after_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Celery's time limit ends a task wherever it is."""
        codes = [code for number in range(51) for code in shipped(number)]
        called, really = 0, calls.call

        def call(*args: Any, **kwargs: Any) -> calls.Reply:
            nonlocal called
            called += 1
            if called == 3:
                raise SoftTimeLimitExceeded
            return really(*args, **kwargs)

        monkeypatch.setattr(calls, "call", call)
        with carrier(TOKEN, answer(event("LDI 01"), code=codes[0])) as server:
            connection = correios(server.url)
            with pytest.raises(SoftTimeLimitExceeded):
                polling.ask(connection)
            assert CarrierNews.objects.get().tracking_code == codes[0]
            # The next one goes on where it ended.
            polling.ask(connection)
            asked = [parse_qs(urlsplit(line.split()[1]).query)["codigosObjetos"] for line in lines(server)[1:]]
        assert asked == [codes[:50], codes[50:]]

    def test_each_has_its_turn_however_many_there_are(self, slow: SlowCarrier, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(melhor_envio, "_MOST_SEARCHED", 2)
        one, two, three, four = [*shipped(1, 2, 3), *shipped(4)]
        assert [slow.hour() for _hour in range(4)] == [[one, two], [three, four], [one, two], [three, four]]
        # What is new does not go before what has waited longer.
        [five] = shipped(5)
        assert [slow.hour() for _hour in range(3)] == [[one, two], [three, four], [five, one]]

    def test_one_that_it_fails_at_does_not_keep_the_others_from_their_turn(self, slow: SlowCarrier) -> None:
        one, two = [*shipped(1), *shipped(2)]
        slow.answer = ("500 Oops", {})
        assert [slow.hour() for _hour in range(3)] == [[one], [two], [one]]
        assert CarrierConnection.objects.get().last_error == "O sistema respondeu com 500."

    def test_what_is_over_is_forgotten(self, slow: SlowCarrier) -> None:
        [code] = shipped(1)
        ParcelAsked.objects.create(
            connection=CarrierConnection.objects.get(), code="AA", asked_at=timezone.now() - polling.FORGOTTEN
        )
        slow.hour()
        assert list(ParcelAsked.objects.values_list("code", flat=True)) == [code]


class TestMelhorEnvio:
    def test_a_label_bought_elsewhere_is_found_by_its_code(self) -> None:
        order = parcel()
        at = (datetime.now(UTC) + BRASILIA).strftime("%Y-%m-%d %H:%M:%S")
        found = [{"id": "other", "tracking": "BB123456785BR"}, {"id": LABEL, "tracking": TRACKING_CODE.lower()}]
        state = {
            LABEL: {"id": LABEL, "status": "delivered", "tracking": TRACKING_CODE, "posted_at": at, "delivered_at": at}
        }
        with carrier(("200 OK", found, ""), ("200 OK", state, "")) as server:
            melhorenvio(server.url)
            ask_again()
            assert lines(server) == [
                f"GET /api/v2/me/orders/search?q={TRACKING_CODE} HTTP/1.1", "POST /api/v2/me/shipment/tracking HTTP/1.1"
            ]  # fmt: skip
        assert b"Authorization: Bearer tok\r\n" in server.requests[1]
        assert b"User-Agent: Flowlog (loja@example.com)\r\n" in server.requests[1]
        assert server.requests[1].endswith(f'{{"orders": ["{LABEL}"]}}'.encode())
        assert (way(order), told()) == (["confirm", "ship", "deliver"], ["deliver"])
        assert results() == [("order.posted", "repeated"), ("order.delivered", "applied")]

    def test_one_that_is_known_is_not_searched_for(self) -> None:
        order = parcel("confirmed")
        with carrier(("200 OK", {LABEL: {"status": "suspended"}}, "")) as server:
            connection = melhorenvio(server.url)
            connection.keep(connection.reveal() | {"secret": 'segredo & "aspas"'})
            connection.save()
            assert send(connection, label(tags=[{"tag": order.code}])) == 200
            intake.process()
            ask_again()
            ask_again()
        assert lines(server) == ["POST /api/v2/me/shipment/tracking HTTP/1.1"] * 2
        assert results() == [("order.posted", "applied"), ("order.suspended", "staff")]

    def test_a_token_that_is_over_is_said_even_without_parcels(self) -> None:
        with carrier(("401 Unauthorized", {"message": "Unauthenticated."}, "")) as server:
            connection = melhorenvio(server.url)
            assert polling.ask(connection) is None
        connection.refresh_from_db()
        assert connection.last_error.startswith("O Melhor Envio não aceita o token: ele venceu")

    @pytest.mark.parametrize("found", [None, [], {}, {"labels": 7}, [7], {LABEL: None}])
    def test_an_answer_that_says_nothing_is_no_news(self, found: Any) -> None:
        parcel()
        with carrier(("200 OK", found, "")) as server:
            connection = melhorenvio(server.url)
            assert polling.ask(connection) == 0
