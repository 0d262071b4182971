"""The servers of one database: opens connections with the binding's present credentials, and keeps a pool for each."""

import threading
import time
from collections.abc import Callable, Collection

import psycopg

from caisson.binding import Binding, Reader, conninfo
from caisson.connecting import Members
from caisson.connections import Pool, ShardConnection, open_connection
from caisson.epoch import TIMELINE, Epochs, OldPrimary
from caisson.errors import ConfigurationError
from caisson.messages import send
from caisson.refusals import NotConnected, NotTrusted, PasswordRefused
from caisson.shard_map import Address
from caisson.statements import PROTECTED

APPLICATION_NAME = "caisson"
WARM_SECONDS = 2.0
STANDBY_SECONDS = 2.0
"""How long to try to reach a standby: another server can answer instead."""
MEMBER_SECONDS = 5.0
"""After a member was reached before its host led there, the others are looked for in the same way: routing follows within a second or two."""
_WHO = f"SELECT shard, {TIMELINE}, current_setting('synchronous_commit') FROM caisson.identity"
_WHO_SET_IT = "SELECT source FROM pg_settings WHERE name = 'synchronous_commit'"


class Endpoints:
    """Thread-safe. Pools belong to addresses, not to shards: a shard whose address changes gets a new pool."""

    def __init__(self, read_binding: Reader, pool_size: int) -> None:
        self._read_binding = read_binding
        self._binding = read_binding()
        self._pool_size = pool_size
        self._pools: dict[tuple[Address, bool], Pool] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._members_until: dict[Address, float] = {}
        self.epochs = Epochs()
        self.on_silence: Callable[[ShardConnection], object] = lambda connection: None
        """Called when a statement waits for a primary that is silent: is there a newer one?"""

    @property
    def binding(self) -> Binding:
        return self._binding

    def primary_pool(self, address: Address) -> Pool:
        return self._pool(address, must_be_primary=True)

    def warm(self, address: Address) -> None:
        """Make a primary's pool ready for what the busiest of the others is used for: buckets may move there.

        Raises NotConnected.
        """
        pool = self.primary_pool(address)
        with self._lock:
            busiest = max(other.most_lent for (_, is_primary), other in self._pools.items() if is_primary)
        pool.warm(busiest, time.monotonic() + WARM_SECONDS)

    def standby_pool(self, address: Address) -> Pool | None:
        if address.read_host is None:
            return None
        return self._pool(Address(address.read_host, address.port), must_be_primary=False)

    def open_primary(self, address: Address, deadline: float) -> ShardConnection:
        """Connect to a shard's newest primary that was heard. `deadline` is of time.monotonic().

        Raises psycopg.Error, NotConnected (OldPrimary, or no shard), ConfigurationError if its commits are unprotected.
        """
        old_primary: OldPrimary | None = None
        passed_over: list[str] = []  # addresses of old primaries: the name may have a newer one too
        while True:
            try:
                # A standby answers reads with old rows; after a failover the old primary is one. libpq refuses it.
                connection = self._open(address, deadline, "primary", passed_over)
            except NotConnected as error:
                raise old_primary or error from error
            try:
                self._identify(connection)
                return connection
            except OldPrimary as error:
                old_primary, found = error, connection.info.hostaddr
                connection.close()
                if not found:
                    raise
                passed_over.append(found)
            except BaseException:
                connection.close()
                raise

    def open_standby(self, address: Address, deadline: float) -> ShardConnection:
        """Connect to whatever answers there."""
        return self._open(address, min(deadline, time.monotonic() + STANDBY_SECONDS), "any", ())

    def close(self) -> None:
        """Close what is idle; whoever is connecting gives up."""
        self._is_closed = True
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _open(
        self, address: Address, deadline: float, target_session_attrs: str, passed_over: Collection[str]
    ) -> ShardConnection:
        """Connect; where the password was refused, once more with what the binding says by now."""
        used, host, port = self._binding, address.host, address.port
        wanted = {"target_session_attrs": target_session_attrs, "application_name": APPLICATION_NAME}

        def connect(binding: Binding) -> ShardConnection:
            target = conninfo(binding, host, port, **wanted)
            try:
                connection = open_connection(
                    target, deadline, lambda: self._is_closed, passed_over, self._members(address)
                )
            except NotTrusted as error:
                raise NotTrusted(_explain_distrust(binding, host, port, error)) from error
            if connection.info.host != host:
                self._members_until[address] = time.monotonic() + MEMBER_SECONDS
            return connection

        try:
            return connect(used)
        except PasswordRefused:
            self._binding = self._read_binding()
            if self._binding.parameters == used.parameters:
                raise
            return connect(self._binding)

    def _members(self, address: Address) -> Members | None:
        if address.members_host is None:
            return None
        return Members(address.members_host, lambda: time.monotonic() < self._members_until.get(address, 0.0))

    def _identify(self, connection: ShardConnection) -> None:
        try:
            rows = send(connection, _WHO)[0].rows
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise NotConnected(f"the server is no shard of a ShardedDatabase, or not yet: {error}") from error
        if len(rows) != 1:
            raise NotConnected("the shard has no identity yet: it is still being set up")
        shard, timeline, synchronous_commit = rows[0]
        if synchronous_commit not in PROTECTED:
            ((source,),) = send(connection, _WHO_SET_IT)[0].rows
            raise ConfigurationError(
                f"synchronous_commit is {synchronous_commit!r} for this user's sessions on shard {shard} (set by: "
                f"{source}): acknowledged writes would be lost in a failover. Take it out of there: the dsn's "
                "'options', PGOPTIONS, ALTER ROLE or ALTER DATABASE ... SET, or the server's configuration"
            )
        connection.epoch, connection.timeline = self.epochs.hear(shard, timeline), timeline

    def _pool(self, address: Address, must_be_primary: bool) -> Pool:
        key = (address, must_be_primary)

        def connect(deadline: float) -> ShardConnection:
            if not must_be_primary:
                return self.open_standby(address, deadline)
            connection = self.open_primary(address, deadline)
            connection.on_silence = self.on_silence
            return connection

        with self._lock:
            if key not in self._pools:
                self._pools[key] = Pool(connect, self._pool_size)
            return self._pools[key]


def _explain_distrust(binding: Binding, host: str, port: int, error: NotTrusted) -> str:
    mode, root = binding.parameters.get("sslmode", "unset"), binding.parameters.get("sslrootcert", "unset")
    return (
        f"{host}:{port} is not trusted, or does not trust us (sslmode {mode}, sslrootcert {root}): "
        f"{str(error).strip()}. Take sslmode, sslrootcert and host as the database's binding has them"
    )
