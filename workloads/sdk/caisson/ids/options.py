"""What an allocator is told: by a binding of type `caisson-ids`, or by the arguments of `connect`."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caisson.binding import read_entry
from caisson.errors import ConfigurationError
from caisson.ids.demand import Provision
from caisson.ids.layout import DEFAULT_EPOCH, Layout

MODES = ("snowflake", "segment", "redis", "uuid7")
BINDING_TYPE = "caisson-ids"
LEAST_RESERVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """Seconds, unless a name says otherwise. `space` is where ids are unique: two allocators of one space never give the same."""

    mode: str = "snowflake"
    space: str = "default"
    layout: Layout = field(default_factory=Layout)
    max_rollback: float = 1.0
    reserve: float = 10.0
    provision: Provision = field(default_factory=Provision)
    most_step: int = 256
    timeout: float = 5.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigurationError(f"no mode {self.mode!r}; there are: {', '.join(MODES)}")
        if self.reserve < LEAST_RESERVE_SECONDS:
            raise ConfigurationError(
                f"reserve {self.reserve:g} s is too short to be renewed; take {LEAST_RESERVE_SECONDS:g} s or more"
            )
        if not 0 <= self.max_rollback < self.reserve:
            raise ConfigurationError(
                f"max_rollback {self.max_rollback:g} s is not below the reserve, {self.reserve:g} s"
            )
        if self.provision.step < 1 or self.most_step < 1:
            raise ConfigurationError("a step is a positive number of ids")

    def with_arguments(self, **given: Any) -> "Options":
        """What the caller says in place of what the binding says; None: as it is."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})


def read_options(path: Path) -> Options:
    """Of a binding's directory. Raises ConfigurationError."""
    kind = read_entry(path, "type")
    if kind != BINDING_TYPE:
        raise ConfigurationError(f"the binding {path} is of type {kind!r}, not {BINDING_TYPE!r}")
    try:
        return Options(
            mode=read_entry(path, "mode"),
            space=read_entry(path, "space"),
            layout=Layout.of(read_entry(path, "layout", "41+10+12"), read_entry(path, "epoch", DEFAULT_EPOCH)),
            max_rollback=float(read_entry(path, "max_rollback_seconds", "1")),
            reserve=float(read_entry(path, "reserve_seconds", "10")),
            provision=Provision(
                int(read_entry(path, "step", "1000")),
                float(read_entry(path, "rated_per_second", "0")),
                float(read_entry(path, "outage_seconds", "600")),
            ),
            most_step=int(read_entry(path, "most_step", "256")),
        )
    except ValueError as error:
        raise ConfigurationError(f"the binding {path} has an entry that cannot be read: {error}") from error
