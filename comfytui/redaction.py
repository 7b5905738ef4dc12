"""Redaction of secrets in text and JSON that servers send; the only place that decides what is masked.

It masks user-info, query values, the fragment and token-like path segments of any URL within a text, credentials
behind `Bearer` and `Basic`, values assigned to names that sound secret (`password=…`, `"token": "…"`), and JSON
fields with such names. Masking a masked text changes nothing.
"""

from __future__ import annotations

import re
from base64 import b64decode
from itertools import pairwise
from urllib.parse import unquote

from comfytui.text import sanitize, sanitize_json

MASK = "•" * 8
"""Placeholder for a secret."""

_NAMES = (
    r"passw|passphrase|passcode|pwd|secret|token|credential|authorization|bearer|cookie|signature|jwt|sess(?:ion)?id"
    r"|(?:access|account|admin|api|auth|client|deploy|encryption|license|master|private|shared|signing|ssh)[-_. ]?key"
    r"|(?<![a-z])sig(?![a-z])"
)
# These are secrets as texts, but hold readable fields as objects.
_TEXT_NAMES = rf"{_NAMES}|(?<![a-z])(?:auth|pass)(?![a-z])"
_SECRET_TEXT = re.compile(_TEXT_NAMES, re.IGNORECASE)
_SECRET = re.compile(_NAMES, re.IGNORECASE)
_NO_BOTTOM = "…"

# Cheap test that most names, tags and times do not pass.
_HINT = re.compile(
    r"[:=@/?#&;]|--|%3[aAdD]|[bB][eE][aA][rR][eE][rR]|[bB][aA][sS][iI][cC]|cfc_|eyJ|gh[opsu]_|github_pat_|glpat-|hf_|[spr]k-"
)
# Most endpoints; segments this short are no tokens unless they say so.
_PLAIN_URL = re.compile(r"https?://[a-zA-Z0-9.-]+(?::[0-9]{1,5})?((?:/[a-zA-Z0-9_.-]{0,10})*)")
_TELLING = re.compile(rf"{_NAMES}|cfc_|eyj", re.IGNORECASE)

# Quantifiers are bounded: hostile text of the longest kept length must not take quadratic time.
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}:)?//(?:[^\s\"<>]|(?<==)(?:\"[^\s\"]{0,4096}\"|<[^\s>]{0,4096}>))+")
# Of JSON within a text.
_ESCAPED_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}:)?\\/\\/[^\s\"<>]+")
_QUOTED_URL = re.compile(r"[A-Za-z0-9+.-]{0,200}%(?:3a%2f%2f|3f[\w.~%-]{1,80}%3d)[^\s\"'<>&,;]+", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?<=//)[^/?#]*")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?")
_BARE_LOGIN = re.compile(r"[^/?#]*@")
_BARE_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?/")
_PATH_PARAMETER = re.compile(r"(;[^=;/]*)=[^;/]*")
_PARAMETERS = re.compile(r"([?&#])([^\s?&#=\"'<>]*=[^\s#\"<>]*)")
_LOGIN = re.compile(r"(?<![^\s\"'(=,])[^\s\"'/@:]{1,200}:[^\s\"'/@]{1,200}@(?=[^\s@])")

_BEARER = re.compile(r"\b(bearer)((?:\s|%20|:)+[\"']?)([^\s\"',;<>]+)", re.IGNORECASE)
# Words that follow "bearer" in sentences: errors about tokens stay readable.
_PROSE = re.compile(
    r"a|an|and|are|as|at|auth|authentication|authorization|but|by|can|cannot|credential|"
    r"credentials|error|expired|for|format|from|has|have|header|headers|in|invalid|is|it|"
    r"may|missing|must|no|not|of|on|only|or|prefix|realm|required|scheme|scope|should|"
    r"string|that|the|this|to|token|tokens|type|was|were|with|without",
    re.IGNORECASE,
)
_BASIC = re.compile(
    r"\b(basic)((?:\s|%20)+[\"']?)([A-Za-z0-9+/_-]{4,}={0,2}(?![\w=:])|[^\s:\"',]{1,80}:[^\s\"',]+)", re.IGNORECASE
)
_ASSIGNED = re.compile(
    rf"(?P<name>(?:{_TEXT_NAMES})[\w.-]{{0,40}})(?P<between>\\?[\"']?\s?(?P<sign>[=:])\s?)"
    r"(?P<value>(?P<quote>\\?[\"'])(?:[^\"'\\]|\\[^\"'])*"
    r"|(?:(?:bearer|basic|digest|token)\s)?[^\s\"',;&}\])]+(?:;\s?[^\s\"',;=]{1,80}=[^\s\"',;]*)*)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"authorization|cookie|key", re.IGNORECASE)
_LETTERS_AND_DIGITS = re.compile(r"(?=[^\s]*[A-Za-z])(?=[^\s]*[0-9])")
_FLAG = re.compile(rf"((?<![\w-])--[\w-]{{0,40}}(?:{_NAMES})[\w-]{{0,40}}\s+)(?!-)([^\s\"']+)", re.IGNORECASE)
_SECRET_FLAG = re.compile(rf"--[\w-]{{0,40}}(?:{_NAMES})[\w-]{{0,40}}", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----).*", re.DOTALL)
_OWN_TOKEN = re.compile(r"cfc_[\w-]{4,}|eyJ[\w-]{8,}(?:\.[\w-]+){0,2}")
_PREFIXED = re.compile(r"(?<![A-Za-z0-9])(?:gh[opsu]|github_pat|glpat|hf|[spr]k)[-_][\w-]{12,}")

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9]+")
_LEAST_TOKEN = 12
_LEAST_SECRET = 5
_LONG_WORD = 32
_KINDS = str.maketrans("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "a" * 26 + "A" * 26 + "0" * 10)


def redact_text(text: str) -> str:
    """Return the text with every secret in it masked; it should be clean already."""
    if not _HINT.search(text) or _is_plain_url(text):
        return text
    if "\\" in text:
        text = _ESCAPED_URL.sub(lambda url: _redact_escaped(url[0]), text)
    if "%" in text:
        text = _QUOTED_URL.sub(lambda url: _redact_quoted(url[0]), text)
    text = _URL.sub(lambda url: _redact_absolute(url[0]), text)
    text = _LOGIN.sub(f"{MASK}@", text)
    text = _PARAMETERS.sub(lambda found: f"{found[1]}{_redact_pairs(found[2])}", text)
    text = _BASIC.sub(_redact_basic, _BEARER.sub(_redact_bearer, text))
    text = _ASSIGNED.sub(_redact_assigned, text)
    if "--" in text:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}", _FLAG.sub(rf"\1{MASK}", text))
    text = _OWN_TOKEN.sub(MASK, text)
    return _PREFIXED.sub(lambda token: MASK if is_like_token(token[0]) else token[0], text)


def redact_url(url: str) -> str:
    """Return a text known to be a URL, blanks and all, with its secrets masked; scheme, host and path stay readable."""
    if _is_plain_url(url):
        return url
    if "//" in url:
        return redact_text(_redact_absolute(url))
    # Without a scheme: what stands before an @ is a user, and perhaps a password.
    login = _BARE_LOGIN.match(url)
    rest = url[login.end() :] if login else url
    shown = _redact_absolute(f"//{rest}")[2:] if _BARE_HOST.match(rest) else rest
    return redact_text(f"{MASK}@{shown}" if login else shown)


def redact_value(value: object) -> str:
    """Return any JSON value as clean text without secrets."""
    return redact_text(sanitize_json(value)) if isinstance(value, str) else sanitize_json(redact_fields("", value))


def redact_fields(name: str, value: object) -> object:
    """Return a JSON value with its secrets masked: all of it if its name sounds secret, else what is within.

    Null and booleans stay. What is nested too deeply to be looked through is `…`.
    """
    try:
        return _redacted(name, value)
    except RecursionError:
        return _NO_BOTTOM


def is_like_token(text: str) -> bool:
    """Return True if a word looks made by a machine to be unguessable; UUIDs count as names."""
    if _UUID.fullmatch(text):
        return False
    if _OWN_TOKEN.search(text):
        return True
    words = _WORD.findall(text)
    if any(len(word) >= _LONG_WORD for word in words):
        return True
    length = sum(map(len, words))
    if length < _LEAST_TOKEN - 1 or not any(map(str.isalpha, text)):
        return False
    changes = sum(map(_changes, words))
    return changes >= (max(4, length / 3) if length < _LEAST_TOKEN + 4 else length / 4)


def _is_plain_url(text: str) -> bool:
    match = _PLAIN_URL.fullmatch(text)
    return match is not None and (len(match[1]) < _LEAST_SECRET or not _TELLING.search(match[1]))


def _changes(word: str) -> int:
    """Return how often lower case, upper case and digits alternate in a word."""
    kinds = word.translate(_KINDS)
    return sum(before != after for before, after in pairwise(kinds))


def _redacted(name: str, value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if (_SECRET_TEXT if isinstance(value, str) else _SECRET).search(sanitize(name)):
        return MASK
    if isinstance(value, str):
        return redact_text(sanitize_json(value))
    if isinstance(value, dict):
        return {redact_name(str(key)): _redacted(str(key), each) for key, each in value.items()}
    if isinstance(value, list):
        return _redacted_list(value)
    return value


def _redacted_list(values: list[object]) -> list[object]:
    """Return the entries redacted; of arguments, the one behind a flag such as `--api-key` is a secret."""
    before = [None, *values]
    return [
        MASK if isinstance(flag, str) and _SECRET_FLAG.fullmatch(flag) else _redacted("", each)
        for flag, each in zip(before, values, strict=False)
    ]


def redact_name(name: str) -> str:
    """Return the name of a JSON field, clean and masked if it holds a secret, else as it is."""
    cleaned = sanitize(name)
    shown = redact_text(cleaned)
    return name if shown == cleaned else shown


def _redact_absolute(url: str) -> str:
    """Mask the secret parts of a URL with `//` in it, and of URLs within its path."""
    url = _mask_logins(url)
    place, hash_sign, fragment = url.partition("#")
    path, question, query = place.partition("?")
    path = _redact_path(path)
    query = _redact_pairs(query)
    return f"{path}{question}{query}{hash_sign}{_redact_pairs(fragment) if fragment else ''}"


def _redact_escaped(url: str) -> str:
    r"""Mask the secret parts of a URL whose slashes are escaped as `\/`."""
    return _redact_absolute(url.replace("\\/", "/")).replace("/", "\\/")


def _redact_quoted(url: str) -> str:
    """Mask all of a percent-encoded URL that holds something secret; it stays readable if it holds nothing."""
    plain = unquote(url)
    return url if redact_text(plain) == plain else f"{url.partition('%')[0]}{MASK}"


def _mask_logins(url: str) -> str:
    """Mask user and password before each host of a URL; a password may hold the signs that end a host."""
    parts: list[str] = []
    done = begin = 0
    while begin <= len(url) and (match := _AUTHORITY.search(url, begin)):
        login, at, host = match[0].rpartition("@")
        end = match.end()
        if not at and not _HOST.fullmatch(host):
            # No port is spelled like this: a password that holds a slash, or a cut one.
            later = url.rfind("@", end)
            login, host, end = ("…", "", later) if later >= 0 else ("", MASK, end)
        parts += url[done : match.start()], MASK if login else "", at, host
        done, begin = end, max(end, match.start() + 1)
    return "".join(parts) + url[done:]


def _redact_path(path: str) -> str:
    head, slashes, rest = path.partition("//")
    authority, *segments = rest.split("/")
    shown = [authority]
    for before, segment in zip([authority, *segments], segments, strict=False):
        is_secret = bool(segment) and before is not authority and "=" not in before and bool(_SECRET.search(before))
        shown.append(MASK if is_secret or _is_secret_segment(segment) else _PATH_PARAMETER.sub(rf"\1={MASK}", segment))
    return f"{head}{slashes}{'/'.join(shown)}"


def _is_secret_segment(segment: str) -> bool:
    plain = unquote(segment)
    return is_like_token(plain) or ("://" in plain and segment != plain) or bool(_ASSIGNED.search(plain))


def _redact_pairs(query: str) -> str:
    """Mask the values of a query or fragment, and what stands there without a name."""
    return "".join(_redact_pair(part) for part in re.split(r"([&;])", query)) if query else ""


def _redact_pair(part: str) -> str:
    if part in ("", "&", ";"):
        return part
    name, equals, _ = part.partition("=")
    return f"{name}={MASK}" if equals and name and not is_like_token(unquote(name)) else MASK


def _redact_bearer(match: re.Match[str]) -> str:
    scheme, blank, value = match.groups()
    word = value.partition("=")[0].rstrip(".:!?()")
    return match[0] if _PROSE.fullmatch(word) else f"{scheme}{blank}{MASK}"


def _redact_basic(match: re.Match[str]) -> str:
    scheme, blank, value = match.groups()
    return f"{scheme}{blank}{MASK}" if _is_login(value) else match[0]


def _is_login(value: str) -> bool:
    """Return True if this is base64 of `user:password`, or nothing that a sentence would hold."""
    if ":" in value or value.endswith("=") or is_like_token(value):
        return True
    padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
    try:
        return b":" in b64decode(padded, validate=True)
    except ValueError:
        return False


def _redact_assigned(match: re.Match[str]) -> str:
    name, between, quote = match["name"], match["between"], match["quote"] or ""
    is_quoted = bool(quote) or '"' in between or "'" in between
    is_secret = is_quoted or _HEADER.search(name) or _LETTERS_AND_DIGITS.match(match["value"])
    if match["sign"] == ":" and not (is_secret or is_like_token(match["value"])):
        return match[0]
    return f"{name}{between}{quote}{MASK}"
