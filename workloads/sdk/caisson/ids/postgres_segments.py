"""Ranges of ids from a row of PostgreSQL: one addition each."""

from caisson.ids.postgres_session import PostgresSession

FETCH = """
INSERT INTO caisson.id_segments AS mine VALUES (%(space)s, 1 + %(count)s)
ON CONFLICT (space) DO UPDATE SET next_id = mine.next_id + %(count)s RETURNING next_id
"""


class PostgresSegments:
    """See caisson.ids.segment.SegmentStore. The first id of a space is 1."""

    def __init__(self, session: PostgresSession, space: str) -> None:
        self._session = session
        self._space = space

    def fetch(self, count: int) -> range:
        ((next_id,),) = self._session.ask(FETCH, {"space": self._space, "count": count})
        return range(next_id - count, next_id)

    def close(self) -> None:
        self._session.close()
