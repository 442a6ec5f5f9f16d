"""Reading a webhook's body: however large the media in it, little of it is ever held."""

from __future__ import annotations

import re
from typing import Protocol

# What WhatsApp takes as a picture, a voice message or a video, in base64. nginx lets as much in.
LARGEST = 64 * 1024 * 1024
# What may remain without the media.
LARGEST_KEPT = 1024 * 1024
MEDIA = frozenset({b"base64", b"jpegThumbnail", b"JPEGThumbnail", b"pngThumbnail", b"thumbnail"})

_CHUNK = 64 * 1024
_LONGEST_NAME = max(map(len, MEDIA))
_NAMED = re.compile(b'"(?:%s)"' % b"|".join(sorted(MEDIA)))
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)++|\\\Z', re.DOTALL)
_OUTSIDE = re.compile(rb'[^"{}\[\]]++|["{}\[\]]')
# Left out, there is nothing to look for but the brackets.
_LEFT_OUT = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")++', re.DOTALL)
_OPENING, _CLOSING = frozenset(b"{["), frozenset(b"}]")


class Stream(Protocol):
    """What a body is read from."""

    def read(self, size: int, /) -> bytes: ...


class TooLargeError(Exception):
    """Of a body not even what remains without its media can be kept: only its `beginning`, if anything was read."""

    def __init__(self, beginning: bytes = b"") -> None:
        super().__init__()
        self.beginning = beginning


def read(stream: Stream) -> bytes:
    """The JSON with `null` in the place of known media; the caller sees to it that no more than `LARGEST` comes.

    What is no JSON stays none. Raises `TooLargeError`.
    """
    first, chunk = stream.read(_CHUNK), stream.read(_CHUNK)
    if not chunk and not _NAMED.search(first):
        return first
    media = _WithoutMedia()
    kept = bytearray(media.feed(first))
    while chunk:
        kept += media.feed(chunk)
        chunk = stream.read(_CHUNK)
        if len(kept) > LARGEST_KEPT:
            discard(stream)
            raise TooLargeError(bytes(kept[:_CHUNK]))
    return bytes(kept)


def discard(stream: Stream) -> None:
    """Read what is left, up to `LARGEST`, and hold none of it."""
    for _piece in range(LARGEST // _CHUNK + 1):
        if not stream.read(_CHUNK):
            break


class _WithoutMedia:
    """Passes JSON on piece by piece, without the values of the fields in `MEDIA`: strings, or numbers in brackets."""

    def __init__(self) -> None:
        self._in_string = False
        self._escaped = False
        # The latest string as far as it may be a media field's name, and whether its value comes next.
        self._name = b""
        self._value_follows = False
        # While a value is left out: how many brackets deep in it.
        self._leaving_out = False
        self._depth = 0

    def feed(self, chunk: bytes) -> bytes:
        kept, position = bytearray(), 0
        while position < len(chunk):
            was_left_out = self._leaving_out
            begin = position
            position = self._string(chunk, position) if self._in_string else self._outside(chunk, position)
            if self._leaving_out and not was_left_out:
                kept += b"null"
            elif not was_left_out:
                kept += chunk[begin:position]
        return bytes(kept)

    def _string(self, chunk: bytes, position: int) -> int:
        """Go on in a string, to its end or the chunk's."""
        if self._escaped:
            self._escaped = False
            return position + 1
        if chunk[position] == ord('"'):
            self._in_string = False
            if self._leaving_out and not self._depth:
                self._leaving_out = False
            return position + 1
        part = _IN_STRING.match(chunk, position)
        assert part  # noqa: S101 - the quote was the only other
        self._escaped = part[0] == b"\\"
        if len(self._name) <= _LONGEST_NAME:
            self._name += part[0][: _LONGEST_NAME + 1]
        return part.end()

    def _outside(self, chunk: bytes, position: int) -> int:
        """Take the next part between strings: a bracket, the beginning of a string, or anything else."""
        if self._leaving_out and (skipped := _LEFT_OUT.match(chunk, position)):
            return skipped.end()
        part = _OUTSIDE.match(chunk, position)
        assert part  # noqa: S101 - every byte is one or the other
        sign = part[0][0]
        if sign == ord('"') or sign in _OPENING:
            self._leaving_out = self._leaving_out or self._value_follows
            self._value_follows = False
        if sign == ord('"'):
            self._in_string, self._name = True, b""
        elif sign in _OPENING:
            self._depth += self._leaving_out
        elif sign in _CLOSING:
            self._close()
        else:
            between = part[0].strip()
            if between:
                self._value_follows = between == b":" and self._name in MEDIA
                self._name = b""
        return part.end()

    def _close(self) -> None:
        self._name, self._value_follows = b"", False
        if self._leaving_out:
            self._depth -= 1
            self._leaving_out = self._depth > 0
