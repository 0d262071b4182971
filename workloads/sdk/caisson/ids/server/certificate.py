"""What the server shows who connects over TLS: a certificate and its key, read anew when their files change. No sockets.

Kubernetes rewrites a mounted Secret by moving a link (`..data`) to a new directory. Both files are read from where the link leads at one
moment, so that a certificate is never joined to the key of another.
"""

import logging
import ssl
import threading
from pathlib import Path

from caisson.errors import ConfigurationError

CERTIFICATE, KEY = "tls.crt", "tls.key"
log = logging.getLogger("caisson")

Version = tuple[tuple[str, int, int, int], ...]


class Certificate:
    """Of a directory. Thread-safe. Connections that are open keep what they were begun with."""

    def __init__(self, directory: Path) -> None:
        """Raises ConfigurationError where there is none that a server could show."""
        self._directory = directory
        self._lock = threading.Lock()
        try:
            self._version = self._find_version()
            self._context = _load(self._version)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"no certificate can be read from {directory} ({error}): it has to have {CERTIFICATE} and its {KEY}, both PEM"
            ) from error

    def context(self) -> ssl.SSLContext:
        """For the next connection. What cannot be read just now changes nothing: it is tried again with the one after."""
        with self._lock:
            try:
                version = self._find_version()
                if version != self._version:
                    self._context, self._version = _load(version), version
                    log.info("certificate_taken_up directory=%s", self._directory)
            except (OSError, ValueError) as error:
                log.warning("certificate_not_taken_up directory=%s reason=%s", self._directory, error)
            return self._context

    def _find_version(self) -> Version:
        """Where both files are in truth, and which they are."""
        real = [str((self._directory / name).resolve(strict=True)) for name in (CERTIFICATE, KEY)]
        return tuple(
            (path, seen.st_ino, seen.st_mtime_ns, seen.st_size) for path in real for seen in [Path(path).stat()]
        )


def _load(version: Version) -> ssl.SSLContext:
    """A new context each time: one that is given a certificate without its key serves neither the old nor the new one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    (certificate, *_), (key, *_) = version
    context.load_cert_chain(certificate, key)
    return context
