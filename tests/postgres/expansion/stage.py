"""Where a test plays: a database of one shard, settled, and an empty cluster for it to grow into."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postgres.clusters import Cluster, running_clusters
from postgres.expansion.driver import MIGRATION, Operator, Spec, grant_as_the_image_does, run_to_the_end
from postgres.expansion.service_binding import write_binding


@dataclass(frozen=True, slots=True)
class Stage:
    """`spec` is what the resource says beside the driver's own; `binding` names the first shard alone."""

    clusters: list[Cluster]
    binding: Path
    spec: Spec = field(default_factory=dict)

    @property
    def source(self) -> Cluster:
        return self.clusters[0]

    @property
    def target(self) -> Cluster:
        return self.clusters[1]

    def operator(self, term: int = 2, **options: Any) -> Operator:
        """A leader that wants two shards. The first term made the first shard."""
        return Operator(self.clusters, 2, term, **{"spec": self.spec, **options})

    def expand(self, term: int = 2, **options: Any) -> Operator:
        """From one shard to two, until all is settled."""
        return asyncio.run(run_to_the_end(self.clusters, 2, term=term, **{"spec": self.spec, **options}))


# A process that is killed loses what it had not written; what it had, the kernel keeps. So fsync only costs time here.
SETTINGS: Mapping[str, str | int] = {"fsync": "off"}


@contextmanager
def set_stage(path: Path, spec: Spec | None = None, settings: Mapping[str, str | int] | None = None) -> Iterator[Stage]:
    with running_clusters(2, {**SETTINGS, **(settings or {})}) as clusters:
        grant_as_the_image_does(clusters)
        asyncio.run(run_to_the_end(clusters, 1, spec=spec or {}))
        yield Stage(clusters, write_binding(path / "binding", clusters[:1]), spec or {})


def with_migrations(*texts: str) -> Spec:
    """The driver's tables, and what more an application wants."""
    migrations = [{"id": f"{number:03}", "sql": text} for number, text in enumerate((MIGRATION, *texts), start=1)]
    return {"schema": {"migrations": migrations}}
