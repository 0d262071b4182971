"""The servers of one database: opens connections with the binding's present credentials, and keeps a pool for each."""

import threading

import psycopg

from caisson.binding import Binding, Reader, conninfo
from caisson.connections import PasswordRefused, Pool, ShardConnection, open_connection
from caisson.shard_map import Address

APPLICATION_NAME = "caisson"


class Endpoints:
    """Thread-safe. Pools belong to addresses, not to shards: a shard whose address changes gets a new pool."""

    def __init__(self, read_binding: Reader, pool_size: int) -> None:
        self._read_binding = read_binding
        self._binding = read_binding()
        self._pool_size = pool_size
        self._pools: dict[tuple[str, int, bool], Pool] = {}
        self._lock = threading.Lock()

    @property
    def binding(self) -> Binding:
        return self._binding

    def primary_pool(self, address: Address) -> Pool:
        return self._pool(address.host, address.port, must_be_primary=True)

    def warm(self, address: Address) -> None:
        """Make a primary's pool ready for what the busiest of the others is used for: buckets may move there.

        Raises NotConnected.
        """
        pool = self.primary_pool(address)
        with self._lock:
            busiest = max(other.most_lent for key, other in self._pools.items() if key[2])
        pool.warm(busiest)

    def standby_pool(self, address: Address) -> Pool | None:
        if address.read_host is None:
            return None
        return self._pool(address.read_host, address.port, must_be_primary=False)

    def open(self, host: str, port: int, must_be_primary: bool = True) -> ShardConnection:
        """Connect; where the password was refused, once more with what the binding says by now."""
        used = self._binding
        try:
            return self._open(used, host, port, must_be_primary)
        except PasswordRefused:
            self._binding = self._read_binding()
            if self._binding.parameters == used.parameters:
                raise
            return self._open(self._binding, host, port, must_be_primary)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _open(self, binding: Binding, host: str, port: int, must_be_primary: bool) -> ShardConnection:
        # A standby answers reads with old rows; after a failover the old primary is one. libpq refuses it at connect.
        wanted = "primary" if must_be_primary else "any"
        options = {"target_session_attrs": wanted, "application_name": APPLICATION_NAME}
        try:
            return open_connection(conninfo(binding, host, port, **options))
        except psycopg.OperationalError as error:
            if error.pgconn is not None and error.pgconn.used_password:
                raise PasswordRefused(str(error)) from error
            raise

    def _pool(self, host: str, port: int, must_be_primary: bool) -> Pool:
        key = (host, port, must_be_primary)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = Pool(lambda: self.open(host, port, must_be_primary), self._pool_size)
            return self._pools[key]
