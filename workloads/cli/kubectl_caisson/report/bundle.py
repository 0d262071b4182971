"""What a report is made of, before it is a file: redacted texts by name, and what could not be had. Then the file."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from kubectl_caisson.errors import NotSo
from kubectl_caisson.layout import one_line

from .redaction import redact

MANIFEST = "MANIFEST"


class Bundle:
    """The one way in is `add` or `miss`, and both redact. `redaction` is another one only in the control of its test."""

    def __init__(self, redaction: Callable[[Any], Any] = redact) -> None:
        self._redact = redaction
        self._files: dict[str, str] = {}
        self._missing: list[tuple[str, str]] = []

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """What could not be had, with the reason."""
        return tuple(self._missing)

    def add(self, name: str, content: Any) -> None:
        """A text as it is; anything else as JSON."""
        hidden = self._redact(content)
        self._files[name] = (
            hidden if isinstance(content, str) else json.dumps(hidden, indent=1, ensure_ascii=False) + "\n"
        )

    def miss(self, name: str, reason: object) -> None:
        self._missing.append((name, one_line(self._redact(str(reason)))))

    def list_files(self, head: str) -> dict[str, str]:
        """Every file with its text, the list of them first."""
        inside = [f"{name}   {len(text.encode())} bytes" for name, text in self._files.items()]
        missing = [f"{name}   {reason}" for name, reason in self._missing] or ["nothing"]
        lines = [self._redact(head), "", "Inside:", *inside, "", "Could not be had:", *missing, ""]
        return {MANIFEST: "\n".join(lines), **self._files}


def write_archive(path: Path, folder: str, files: dict[str, str], moment: datetime) -> None:
    """Readable by the user alone, since redaction is no guarantee. Raises NotSo if there is such a file, or no way to make it."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise NotSo(f"cannot make {path}: {error.strerror}. Choose another with -o") from error
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in files.items():
            data = text.encode(errors="replace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(moment.timestamp()), 0o600
            archive.addfile(entry, io.BytesIO(data))
