"""A mounted Secret, as a kubelet writes it, and where a member tells what it has read of it."""

import os
from itertools import count
from pathlib import Path
from typing import Any

_NUMBERS = count()


class Store:
    """As Patroni's class Kubernetes, which the records of a member go through."""

    written: dict[str, Any]

    def touch_member(self, data: dict[str, Any]) -> bool:
        self.written = data
        return True


def mount(folder: Path, keys: dict[str, str]) -> None:
    """As a kubelet does: another directory, then the link, then what was before it goes."""
    before = (folder / "..data").resolve()
    data = folder / f"..{next(_NUMBERS)}"
    data.mkdir(parents=True)
    for name, text in keys.items():
        (data / name).write_text(text)
    (folder / "..fresh").symlink_to(data.name)
    os.replace(folder / "..fresh", folder / "..data")
    if before.name != "..data":
        for file in before.iterdir():
            file.unlink()
        before.rmdir()
