"""A mounted Secret, as a kubelet writes it."""

import os
from itertools import count
from pathlib import Path

_NUMBERS = count()


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
