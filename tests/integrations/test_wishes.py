"""What is heard as a wish for no messages, what is asked about, and what is none: in the words that people use."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.inbound.wishes import COURTESY, LEAVING, MESSAGES, ORDER, Wish, as_quoted, wish_of

OUT = (
    "SAIR", "SAIR.", "Sair!", "*SAIR*", "“SAIR”", "sair 🙏", "s a i r", "saír", "ＳＡＩＲ", "PARE", "Páre…", "stop",
    "Parar", "parem", "SAIRR", "SAIR\nSAIR", "sair por favor", "Sair, obrigado", "quero sair", "Sair da lista",
    "Stop please",
    "remover", "descadastrar", "bloquear", "NÃO PERTURBE", "unsubscribe", "PARAR AVISOS", "Sair das mensagens",
    "não quero mais receber", "Não quero mais receber mensagens", "n quero mais receber msg",
    "não quero mais mensagens",
    "não quero receber mais mensagens de vocês", "me tira dessa lista", "me tirem da lista", "me descadastra",
    "remova meu número da lista", "parem de mandar mensagem", "pare de me enviar mensagens, por favor",
    "vocês podem parar de me mandar mensagem por favor", "quero que parem de enviar mensagens", "chega de mensagens",
    "quero parar de receber mensagens", "Por favor, não me mandem mais mensagens",
    "Bom dia, quero sair da lista por favor", "ok, sair", "Sair, ok", "opt-out", "favor não enviar mensagens",
    "não enviar mais mensagens", "nunca mais me mande mensagem", "não autorizo mensagens",
    "sair, muito obrigada", "Por gentileza, me descadastre", "Sair. Abraços!", "pare, desculpa", "sair, valeu",
    "pode me tirar da lista", "gostaria que parassem de me mandar mensagens", "deixem de me mandar mensagens",
    "nunca mais quero voltar a receber mensagens", "não quero mais voltar a receber mensagens",
)  # fmt: skip
UNSURE = (
    "cancelar", "Cancelar mensagens", "Quero cancelar", "sair?", "pode parar", "pode remover", "sair voltar",
    "não quero receber", "não quero mais receber à tarde", "não quero mais receber hoje", "pare de mandar",
    "não me mande mais nada", "não mande mensagem, me ligue", "não perturbe antes das 9h",
    "parem de mandar mensagem do pedido", "não parem de mandar mensagens", "nunca quero sair da lista",
    "sai da lista", "Saia dessa lista!", "me exclua", "me tira", "Para!", "já chega", "não enviar mais",
    "nunca mais me mande nada", "tire meu número", "quem é? apague meus dados", "descadastre o meu telefone",
    "número errado, sair", "engano, parem", "não conheço vocês, sair", "não sou essa pessoa, parem",
    "já pedi pra sair", "já pedi para parar",
    "cancelar recebimento", "desativar notificações", "não autorizo o envio de mensagens", "revogo meu consentimento",
    "opa, sair", "1. Sair", "Pare imediatamente", "Sair Flowlog", "Cancelar minha inscrição",
    "cancelar o envio de mensagens",
    "não tenho interesse em receber mensagens", "não precisa mais mandar mensagem", "não precisa mais avisar",
    "não quero mais ser avisado", "Gostaria de não ser mais notificada",
    "deixar de receber", "apaga a mensagem", "apague essa mensagem", "remova a mensagem", "Tira o aviso",
    "cancelar inscrição", "não desejo voltar a receber", "chega de me mandar", "quero parar de receber",
)  # fmt: skip
NONE = (
    "", "🙏", "?", "obrigada", "Boa noite", "SAIR1", "sair?sim", "não pare", "quero sair amanhã", "quando sai?",
    "vai sair hoje?", "já saiu?", "sair para entrega?", "vou sair agora, deixa com o vizinho",
    "pode parar na portaria", "pare o carro na porta", "não perturbe a portaria", "não quero mais o pedido",
    "não quero mais receber o pedido", "não quero mais", "cancelar pedido", "remover um item", "bloquear cartão",
    "quero parar de pagar frete", "não recebi mensagem", "recebi a mensagem", "posso parar aí?",
    "não quero mais receber em casa, pode parar na portaria", "já sai?", "chega hoje", "chega quando?",
    "Chega mensagem sim, obrigado", "quero para receber os avisos", "pode mandar para o whatsapp", "para o celular",
    "Deixe sua mensagem", "Olá! Deixe sua mensagem, por favor.", "pode deixar mensagem",
    "No momento não posso atender, deixe sua mensagem", "muito obrigada", "deixar de molho", "vou sair, valeu",
    "não precisa avisar", "cancelar envio", "parar o carro ali",
    "me tira uma dúvida", "tira meu nome da nota", "vocês nunca me mandaram mensagem", "nunca voltar", "jamais voltar",
)  # fmt: skip
IN = ("VOLTAR", "voltar", "Quero voltar!", "voltar, por favor", "voltar a receber mensagens", "quero voltar a receber")
EXAMPLES = [*((text, Wish.OUT) for text in OUT), *((text, Wish.IN) for text in IN)]
EXAMPLES += [*((text, Wish.UNSURE) for text in UNSURE), *((text, Wish.NONE) for text in NONE)]


@pytest.mark.parametrize(("text", "wish"), EXAMPLES)
def test_of_what_people_write(text: str, wish: Wish) -> None:
    assert wish_of(text) == wish


@pytest.mark.parametrize("text", OUT)
def test_with_a_question_mark_it_is_asked_about(text: str) -> None:
    assert wish_of(f"{text}?") == Wish.UNSURE


@pytest.mark.parametrize("text", OUT)
def test_in_a_long_text_it_is_never_obeyed(text: str) -> None:
    assert wish_of(f"{text} {'uma história comprida ' * 10}") != Wish.OUT


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_text_with_a_word_of_the_order_opts_out(data: st.DataObject) -> None:
    words = st.sampled_from(sorted(LEAVING | COURTESY | MESSAGES)) | st.sampled_from(OUT)
    said = data.draw(st.lists(words, max_size=6))
    said.insert(data.draw(st.integers(0, len(said))), data.draw(st.sampled_from(sorted(ORDER))))
    assert wish_of(" ".join(said)) not in (Wish.OUT, Wish.IN)


@settings(max_examples=300, deadline=None)
@given(example=st.sampled_from(EXAMPLES), data=st.data())
def test_case_accents_and_punctuation_do_not_matter(example: tuple[str, Wish], data: st.DataObject) -> None:
    text, wish = example
    change = data.draw(st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))
    around = st.text(st.sampled_from(" .,;!*_~…\"'()\n\t🙏👍\u200b\u202a"), max_size=4)
    changed = (
        data.draw(around)
        + change(unicodedata.normalize("NFD", text) if data.draw(st.booleans()) else text)
        + data.draw(around)
    )
    assert wish_of(changed) == wish
    plain = "".join(each for each in unicodedata.normalize("NFD", changed) if not unicodedata.combining(each))
    assert wish_of(plain) == wish


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=3000))
def test_any_text_has_an_answer(text: str) -> None:
    assert wish_of(text) in set(Wish)
    assert len(as_quoted(text)) <= 90


@pytest.mark.parametrize("unit", ["pare de ", "nao quero receber mais ", "sair ", "me tira da ", "\\", "aa"])
def test_long_texts_take_no_time(unit: str) -> None:
    assert wish_of(unit * 50_000) != Wish.OUT


def test_is_quoted_by_its_word_or_its_beginning() -> None:
    assert [as_quoted(text) for text in ("Sair!", "s a i r", "SAIRR", "não quero\nmais receber", "a " * 100)] == [
        "SAIR", "SAIR", "SAIR", "não quero mais receber", f"{'a ' * 40}…",
    ]  # fmt: skip
