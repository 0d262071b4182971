"""Text for a terminal and for grep: columns, durations and sizes as kubectl writes them. Pure."""

from collections.abc import Sequence

_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def render_table(header: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "") -> list[str]:
    """Columns three spaces apart; what is None is a dash."""
    cells = [[*header], *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return [f"{indent}{line.rstrip()}" for line in lines]


def one_line(value: object) -> str:
    """Without line breaks, and without control characters, which an error quoted in a status may hold."""
    if value is None or value == "":
        return "-"
    words = " ".join(str(value).split())
    return "".join(character if character.isprintable() else "?" for character in words)


def format_seconds(seconds: float) -> str:
    """Two units at most: 850ms, 4.2s, 45s, 3m20s, 2h5m, 3d."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    left = round(seconds)
    for place, (unit, size) in enumerate(_UNITS):
        if left >= size:
            rest_unit, rest_size = (*_UNITS, ("s", 1))[place + 1]
            rest = left % size // rest_size
            return f"{left // size}{unit}" + (f"{rest}{rest_unit}" if rest else "")
    return f"{left}s"


def format_bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
