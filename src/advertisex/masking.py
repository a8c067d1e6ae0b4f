"""What is shown of a text that is not ours: the rule, and the masks.

1. The text of an exception of a library, or of the system, is never shown. The adapter that catches it says in our
   words what failed, found by the exception's class, its code, or a sign in its text. For all others, `reasons` gives
   the class.
2. What a server says about a request, such as Elasticsearch about a document or an API about its parameters, helps the
   user. It is shown as `masked` returns it: shortened by the adapter, without the secrets that this process knows, and
   without what looks like a credential.
3. `--debug` shows the traceback of an error, in which each text is masked likewise.

The secrets that this process knows are those of the settings, of the sources and their URLs, the tokens that servers
gave us, and those of the environment, found by the names of the variables.
"""

import os
import re
import traceback
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from advertisex.secret_names import is_secret

MASK = "***"
#: Shorter secrets are not masked: a text would have them by accident.
_SHORTEST = 4
#: The same for the parts of a URL, and for the variables of the environment.
_SHORTEST_PART = 8
#: Tokens expire; the latest are remembered, in a process that runs for months.
_TOKENS = 100

#: How Python begins a frame of a traceback.
_FRAME = '  File "'

_known: dict[str, None] = {}
_tokens: deque[str] = deque(maxlen=_TOKENS)

#: The user info of a URL, also of one with one slash; a user and a password before a host, also without a scheme.
_USER_INFO = re.compile(
    r"""(?<=:/)(?!/)[^\s/@'"]+(?=@)|(?<=://)[^\s/@'"]+(?=@)|(?<![^\s('"`])[^\s/@:'"]+:[^\s/@'"]+(?=@)"""
)
#: The beginning of `name=value`, `Name: value` and `"name": "value"`, with what follows a scheme such as Bearer.
_NAMED = re.compile(
    r"""(?<![A-Za-z])(?P<name>[A-Za-z][\w.-]*)\\?["']?\s?[=:]\s?(?:b?\\?["'])?(?:(?:bearer|basic|apikey|token)\s)?""",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""[^\s"'&,;)}\]]+""")
#: `Bearer …` without a name; a JSON Web Token; a private key.
_CREDENTIALS = (
    (re.compile(r"(?i)\b((?:bearer|basic|apikey) )(?=\S*[0-9=+/])[\w+/=.~-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]+"), rf"\1{MASK}"),
)


def remember(*secrets: str) -> None:
    """Let `masked` mask these texts; of a URL, the parts that may be secret, too."""
    for secret in secrets:
        _known.update(dict.fromkeys((secret, *secrets_in(secret))))


def remember_token(token: str) -> None:
    """The same for a token, of which a process sees ever new ones."""
    if token not in _tokens:
        _tokens.append(token)


def forget() -> None:
    """Forget all that was remembered."""
    _known.clear()
    _tokens.clear()


def secrets_in(url: str) -> Iterator[str]:
    """Yield the parts of a URL that may be secret: the user info, the parts of its path, the values of parameters."""
    if "://" not in url:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    yield unquote(password or user)
    pieces = (*map(unquote, parts.path.split("/")), *(value for _, value in parse_qsl(parts.query)))
    yield from (piece for piece in pieces if len(piece) >= _SHORTEST_PART)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the given secrets, in all of their spellings."""
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    for spelling in sorted(filter(None, spellings), key=len, reverse=True):
        text = text.replace(spelling, MASK)
    return text


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the secrets that this process knows, and without what looks like a credential.

    Args:
        text: the text.
        secrets: further secrets, which are masked even if they are short.
    """
    text = hidden(text, secrets)
    known = (*_known, *_tokens, *_of_environment())
    text = hidden(text, (secret for secret in known if len(secret) >= _SHORTEST))
    text = "".join(_without_values(_USER_INFO.sub(MASK, text)))
    for pattern, mask in _CREDENTIALS:
        text = pattern.sub(mask, text)
    return text


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error; what is not a line of code in it is masked."""
    lines = traceback.format_exception(error)
    return "".join(line if line.startswith(_FRAME) else masked(line) for line in lines)


def _without_values(text: str) -> Iterator[str]:
    """Yield a text in parts, with the values of secret names masked; the value of another name may hold some, too."""
    done = 0
    while found := _NAMED.search(text, done):
        yield text[done : found.end()]
        done = found.end()
        if is_secret(found["name"]) and (value := _VALUE.match(text, done)):
            yield MASK
            done = value.end()
    yield text[done:]


def _spellings(secret: str) -> Iterator[str]:
    """Yield a text as it is, and as it is written in URLs, in reprs, in JSON, and in Base64; and each of its lines."""
    yield from (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], ascii(secret)[1:-1])
    yield b64encode(secret.encode(errors="replace")).decode() if len(secret) >= _SHORTEST else ""
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST)


def _of_environment() -> Iterator[str]:
    """Yield the secrets of the environment: variables with the name of one, and what URLs such as a proxy's have."""
    for name, value in os.environ.items():
        if is_secret(name) and len(value) >= _SHORTEST_PART:
            yield value
        elif "://" in value and "@" in value:
            yield next(secrets_in(value), "")
