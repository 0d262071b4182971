"""Hides whatever looks like a password, a token, a key or a connection string. Pure.

It hides rather too much than too little: a report with a harmless value hidden is still a report. It works on structure first
(a key's name, an `env` entry's name, an argument's flag), since a value alone often looks like nothing, and then on every
text that is left. It cannot know a secret that looks like an ordinary word in an ordinary place: the user is told so.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

HIDDEN = "***"

_WORD = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|(?<![a-z])pass(?![a-z])|secret|token|credential|dsn(?![a-z])"
    r"|(?:api|access|private|secret|encryption|signing|account)[_.-]?key|conn(?:ection)?[_.-]?str(?:ing)?|authorization|cookie)"
)
_SECRET_NAME = re.compile(_WORD, re.IGNORECASE)
# The name of a Secret, not what is in it: without it a pod cannot be understood.
_HARMLESS_NAMES = frozenset({"secretName"})
_SECRET_FLAG = re.compile(rf"^--?[\w.-]*{_WORD}[\w.-]*$", re.IGNORECASE)

# A value: in quotes, in quotes that are escaped however often, or up to the next blank.
_VALUE = r"(?:\"(?:\\.|[^\"\\])*(?:\"|$)|'(?:\\.|''|[^'\\])*(?:'|$)|\\+[\"'](?:(?!\\+[\"']).)*(?:\\+[\"']|$)|\S+)"


def _hide_user_of_url(url: re.Match[str]) -> str:
    """scheme://user:password@host: up to the last @, since a password may hold one; a user alone may be a token."""
    head, _, host = url[2].rpartition("@")
    is_path = "/" in head and ":" not in head.split("/")[0]
    return url[0] if not head or is_path else f"{url[1]}{HIDDEN}@{host}"


# Each begins at something fixed or bounded: a log may have a word of megabytes, and the time must grow with it, not with its square.
_TEXTS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # Keys in PEM, also one whose beginning or end lies outside of what was kept of a log.
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?<![A-Za-z0-9+/=\s])[A-Za-z0-9+/=\s]*+-----END [A-Z ]*PRIVATE KEY-----"), HIDDEN),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)([^\s\"']+)", re.IGNORECASE), _hide_user_of_url),
    # user:password@host without a scheme; name:tag@sha256:... is an image.
    (re.compile(r"(?<![\w./-])[\w.-]+:[^\s:@/\"']+@(?!sha256:)(?=\w)"), f"{HIDDEN}@"),
    (re.compile(r"(\bauthorization\\?[\"']?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    # name = value and name: value, where value may be quoted; name value for SQL's PASSWORD 'x'.
    (
        re.compile(rf"({_WORD}[\w.-]{{0,60}}+[\\\"']*\s*(?:=>|[:=])+\s*){_VALUE}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (re.compile(rf"(\bpassword\s+)(?=[\\\"']){_VALUE}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(rf"((?<![\w.-])--?[\w.-]{{0,40}}{_WORD}[\w.-]{{0,60}}+\s+){_VALUE}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    # What lets somebody in by itself: PostgreSQL's verifiers, a line of a password file, JSON web tokens, cloud keys.
    (re.compile(r"SCRAM-SHA-256\$[^\s\"']+|\bmd5[0-9a-f]{32}\b"), HIDDEN),
    (re.compile(r"((?<=[^\s:\"']):(?:\*|\d{4,5}):[^\s:\"']+:[^\s:\"']+:)[^\s\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\b(?:gh[pousr]|glpat|xox[abprs])[_-][\w-]{10,}"), HIDDEN),
)


def redact(value: Any) -> Any:
    """The same value with secrets hidden: a text, or what JSON can hold."""
    match value:
        case str():
            return redact_text(value)
        case Mapping():
            return _redact_mapping(value)
        case Sequence():
            return _redact_list(value)
        case _:
            return value


def redact_text(text: str) -> str:
    """Line by line where a line is JSON, which keeps its shape; the rules for plain text on all of it."""
    inner = _redact_json(text)
    if inner is not None:
        return inner
    lines = [_redact_json(line) for line in text.splitlines(keepends=True)] if "\n" in text else [None]
    if not any(line is not None for line in lines):
        return _redact_plain(text)
    return _join(text.splitlines(keepends=True), lines)


def is_secret_name(name: str) -> bool:
    return name not in _HARMLESS_NAMES and _SECRET_NAME.search(name) is not None


def _join(originals: Sequence[str], redacted: Sequence[str | None]) -> str:
    """Lines of JSON as they were redacted; runs of other lines together, since a key in PEM has several."""
    parts: list[str] = []
    run = ""
    for original, line in zip(originals, redacted, strict=True):
        if line is None:
            run += original
            continue
        parts += [_redact_plain(run), line]
        run = ""
    return "".join([*parts, _redact_plain(run)])


def _redact_json(text: str) -> str | None:
    """None if it is no JSON object or list."""
    bare = text.strip()
    if not bare.startswith(("{", "[")):
        return None
    try:
        hidden = json.dumps(redact(json.loads(bare)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return hidden + text[len(text.rstrip()) :]


def _redact_plain(text: str) -> str:
    for pattern, replacement in _TEXTS:
        text = pattern.sub(replacement, text)
    return text


def _redact_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {key: _hide(value) if is_secret_name(str(key)) else redact(value) for key, value in mapping.items()}
    if "value" in mapping and any(is_secret_name(str(mapping.get(key, ""))) for key in ("name", "key")):
        hidden["value"] = HIDDEN
    return hidden


def _redact_list(values: Sequence[Any]) -> list[Any]:
    """What follows a flag such as --password is its value."""
    follows = [False, *(isinstance(value, str) and _SECRET_FLAG.match(value) is not None for value in values)]
    return [
        HIDDEN if after and isinstance(value, str) else redact(value)
        for value, after in zip(values, follows, strict=False)
    ]


def _hide(value: Any) -> Any:
    """Under a secret name: every scalar. A mapping there is structure, such as the volume `secret: {secretName: ...}`."""
    match value:
        case Mapping():
            return _redact_mapping(value)
        case str() | int() | float() if not isinstance(value, bool):
            return HIDDEN
        case Sequence():
            return [_hide(entry) for entry in value]
        case _:
            return value
