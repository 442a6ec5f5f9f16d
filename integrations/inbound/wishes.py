"""Whether somebody who writes wants no more messages, or wants them again. A small grammar of Portuguese; pure.

What is certain is obeyed; what may be such a wish is a question to the staff. Whatever may mean the order is never
obeyed: “cancelar” may be about it, “quero parar de pagar frete” is.
"""

from __future__ import annotations

import re
import unicodedata

from integrations.inbound.models import CustomerReply

Wish = CustomerReply.Wish


def _once(word: str) -> str:
    """Each letter once where it is repeated, as in SAIRR."""
    return re.sub(r"(.)\1+", r"\1", word)


def _words(text: str) -> frozenset[str]:
    return frozenset(_once(word) for word in text.split())


# A wish by themselves, and with courtesy around.
LEAVING = _words(
    "sair pare parem parar stop remover remova removam descadastrar descadastre descadastrem descadastra desinscrever "
    "desinscreva unsubscribe optout bloquear bloqueie bloqueia"
)
RETURNING = _words("voltar")
COURTESY = _words(
    "por favor pfv pfvr pf please gentileza muito obrigado obrigada brigado brigada obg grato grata agradeco valeu vlw "
    "desculpa desculpe abraco abracos abs att tchau moca moco amigo amiga gente pessoal "
    "quero queria gostaria desejo de eu me ja ola oi ok okay certo entao beleza blz"
)
# What messages are called, and what else stands beside them in a sentence.
MESSAGES = _words(
    "mensagem mensagens msg msgs aviso avisos notificacao notificacoes lista listas transmissao grupo whatsapp whats "
    "zap wpp propaganda propagandas spam promocao promocoes"
)
_GETTING = MESSAGES | _words("receber")
_BESIDE = COURTESY | _words(
    "do da dos das a o as os essa essas esta estas desta destas dessa dessas deste destes desse desses isso sua suas "
    "seu seus nossa nossas todas todos nenhuma nenhum mais nunca no na nos nas com e que pode podem agora voces receber"
)
# Whoever names one of these may speak of the order.
ORDER = _words(
    "pedido pedidos compra compras produto produtos item itens entrega entregas entregar entregue entregador encomenda "
    "encomendas pacote pacotes frete envio portaria porteiro vizinho vizinha predio apartamento casa rua endereco "
    "motoboy correio correios loja retirada retirar buscar pagar pagamento pix boleto cartao nota troca trocar "
    "devolver devolucao reembolso estorno valor preco dinheiro tamanho cor"
)
# Alone, or with these, it takes a person to tell what is meant.
_AMBIGUOUS = _words("cancelar cancele cancelem cancela desativar desative desativem desativa")
_PERHAPS = _words(
    "tudo pode podem agora isso disso daqui numero contato telefone celular cadastro inscricao recebimento nome "
    # Whom nobody meant to write to, and who has said it before.
    "errado errada engano pessoa cliente pedi falei para pra minha meu"
)
_STRANGER = re.compile(r"\bnao (?:conheco|sou)\b")
# Too short to tell, where nothing but courtesy stands beside them.
_CURT = _words("sai saia para chega exclua exclui excluir excluam remove tira tire tirem apaga apague apaguem")
# One of them may be deleted, as when it was written to the wrong chat.
_SINGLE = _words("mensagem msg aviso notificacao")
_DELETING = _words("remover remova removam")
# Beside one of these a word of leaving is no wish, however short the text.
_ELSEWHERE = _words("nao sim vou vai vao vamos ia ja posso quando hoje amanha depois carro moto")
_FEW_WORDS = 4
# With these, the wish is for the contrary.
_NEVER = _words("nunca jamais nenhum nenhuma")

_NO = "(?:nao|nunca(?: mais)?|jamais) (?:quero|queremos|desejo|gostaria|aceito|preciso|autorizo|permito)(?: de)?"
# “Para” may be the preposition, “chega” the news that something comes, and “deixe sua mensagem” a machine's answer.
_STOP = "(?:(?:parem?|parar|parasem)(?: de| com)?|(?:para|chega) (?:de|com)|deix(?:em?|ar|asem) de)"
_SEND = "(?:mandar|enviar|mandando|enviando|encher|escrever|encaminhar|notificar|receber)"
_TAKE_OFF = "(?:tirar?|tirem?|retira|retirem?|remov[ae]m?|exclu[ai]m?|apaga|apaguem?|descadastr[ae]m?)"
_ME = "(?:me|meu (?:numero|contato|telefone|nome))"
_MY_NUMBER = "(?:[oa]s? )?meus? (?:numero|contato|telefone|celular|cadastro|dados)"
_SENT = "(?:mandem?|enviem?|manda|envia|mandar|enviar)(?: me)?"
_NO_MORE = f"(?:nao|nunca mais)(?: me)? {_SENT}"
_ANY, _ALL = (
    rf"(?: (?:{'|'.join(sorted(_BESIDE))}))*? (?:{'|'.join(sorted(words))})\b"
    for words in (MESSAGES, MESSAGES - _SINGLE)
)
_SENTENCES = tuple(
    re.compile(rf"\b{sentence}")
    for sentence in (
        rf"{_NO} mais (?:de )?receber\b(?:{_ANY})?",
        rf"{_NO}(?: mais)?(?: voltar a)?(?: receber| ter)?{_ANY}",
        rf"{_STOP}(?: me)?(?: {_SEND})?{_ANY}",
        rf"(?:{_ME} {_TAKE_OFF}|{_TAKE_OFF} {_ME}){_ANY}",
        rf"{_TAKE_OFF}{_ALL}",
        rf"{_NO_MORE}(?: mais)?{_ANY}",
        r"nao(?: me)? (?:perturbem?|incomodem?)(?: me)?(?: mais)?\b",
    )
)
_HALF_SENTENCES = re.compile(
    rf"\b(?:{_NO}(?: mais)?(?: voltar a)? receber|{_STOP}(?: me)? {_SEND}|nao(?: me)? {_SENT} mais"
    rf"|nunca mais(?: me)? {_SENT}|{_TAKE_OFF}(?:{_ANY}| {_MY_NUMBER})|saia? d(?:[ao]|es[ae]) (?:lista|grupo)"
    rf"|(?:{'|'.join(_AMBIGUOUS)}){_ANY}|{_NO}(?: o)? (?:envio|recebimento) de{_ANY}"
    rf"|(?:{'|'.join(_AMBIGUOUS)})(?: o)? (?:envio|recebimento) de{_ANY}|nao tenho interese em(?: receber)?{_ANY}"
    rf"|nao precisam?(?: mais)?(?: de)?(?: me)? (?:mandar|enviar|escrever){_ANY}"
    r"|nao precisam? mais(?: de)?(?: me)? (?:mandar|enviar|escrever|avisar|notificar)"
    r"|nao(?: quero| queria| desejo| gostaria de)?(?: mais)? ser(?: mais)?"
    r" (?:notific|avis|incomod|perturb|contat)ad[oa]s?"
    r"|revogo(?: [oa])?(?: minha| meu)? (?:consentimento|autorizacao))\b"
)
# Longer texts say more than one thing; and nobody's wish begins so late.
_MOST_WORDS, _MOST_LETTERS = 20, 2000
_QUOTED_LETTERS = 80
_GREETINGS = re.compile(r"\b(?:bom dia|boa tarde|boa noite)\b")
_SHORT = {"n": "nao", "num": "nao", "vc": "voces", "vcs": "voces", "voce": "voces"}


def wish_of(text: str) -> CustomerReply.Wish:
    """What the text says about getting messages, whatever its case, accents and punctuation."""
    words = _plain(text)
    said = frozenset(words)
    if said & LEAVING and said & RETURNING:
        return Wish.UNSURE if said <= LEAVING | RETURNING | _BESIDE | MESSAGES else Wish.NONE
    asks = "?" in text
    if not asks and ("".join(words) in RETURNING or _is_command(said, RETURNING, _GETTING)):
        return Wish.IN
    if "".join(words) in LEAVING or _is_command(said, LEAVING) or _is_sentence(words):
        return Wish.UNSURE if asks or len(words) > _MOST_WORDS else Wish.OUT
    return Wish.UNSURE if _is_doubtful(words) or (_is_curt(said) and not asks) else Wish.NONE


def as_quoted(text: str) -> str:
    """The text as a record of consent names it: a single word in capitals, else its beginning."""
    words = _plain(text)
    if "".join(words) in LEAVING | RETURNING:
        return "".join(words).upper()
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED_LETTERS else f"{line[:_QUOTED_LETTERS]}…"


def _plain(text: str) -> list[str]:
    """The words: letters and digits alone, without accents."""
    decomposed = unicodedata.normalize("NFKD", text[:_MOST_LETTERS]).casefold()
    kept = "".join(
        character if character.isalnum() else " "
        for character in decomposed
        if unicodedata.category(character) not in {"Mn", "Cf"}
    )
    words = [_once(_SHORT.get(word, word)) for word in kept.split()]
    return _GREETINGS.sub(" ", " ".join(words)).split()


def _is_command(said: frozenset[str], words: frozenset[str], about: frozenset[str] = MESSAGES) -> bool:
    """One of the words, with courtesy or what it is about around it, and nothing else."""
    if not said & words or said & _NEVER or (said & _DELETING and said & _SINGLE):
        return False
    return said <= words | COURTESY or bool(said & about and said <= words | _BESIDE | about)


def _is_sentence(words: list[str]) -> bool:
    """A sentence that can mean nothing else, and nothing beside it."""
    text = " ".join(words)
    for sentence in _SENTENCES:
        if match := sentence.search(text):
            rest = frozenset((text[: match.start()] + " " + text[match.end() :]).split())
            of_messages = frozenset(match[0].split()) & MESSAGES
            return rest <= (_BESIDE | MESSAGES | LEAVING if of_messages else COURTESY)
    return False


def _is_curt(said: frozenset[str]) -> bool:
    return bool(said & _CURT) and said <= _CURT | COURTESY


def _is_doubtful(words: list[str]) -> bool:
    text, said = " ".join(words), frozenset(words)
    if any(sentence.search(text) for sentence in (*_SENTENCES, _HALF_SENTENCES)):
        return not said & ORDER or bool(said & MESSAGES)
    hints, said = LEAVING | _AMBIGUOUS, frozenset(_STRANGER.sub("", text).split())
    if not said & hints:
        return False
    is_short = len(words) <= _FEW_WORDS and bool(said & LEAVING) and not said & (ORDER | _ELSEWHERE | _NEVER)
    return is_short or said <= hints | _BESIDE | MESSAGES | _PERHAPS
