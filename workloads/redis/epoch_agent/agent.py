"""The agent's loop: look, decide, do one thing. Keeps nothing that a crash would lose but what it has said already."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from redis_member.resp import Connection, RedisError

from .decide import Raise, Serve, Write, decide, must_raise
from .kube import Conflict, KubeError
from .records import Records
from .server import WRITTEN, read_server, write_key

LOOK_SECONDS = 0.1
# Of a primary that serves: whether a later one has been given a number, and whether the Service still points here.
LOOK_BEYOND_LOOKS = 50
# What a primary says that has too few replicas to take a write: that nothing was written is certain.
REFUSED = "NOREPLICAS"
REFUSED_SECONDS = 0.5


@dataclass(slots=True)
class Agent:
    connect: Callable[[], Connection]
    records: Records
    sleep: Callable[[float], None]
    port: int
    leads_clients: bool
    """Of several independent primaries none is the one."""
    _redis: Connection | None = None
    _unwritten: Raise | None = None
    _said: str = ""
    _looks: int = field(default=0)

    def run(self) -> None:
        while True:
            self.look()
            self.sleep(LOOK_SECONDS)

    def look(self) -> None:
        try:
            if self._redis is None:
                self._redis = self.connect()
            self._step(self._redis)
        except (OSError, RedisError) as error:
            self._hang_up()
            self._say("server_not_reached", error=error)
        except Conflict:
            self._say("another_was_faster")
        except KubeError as error:
            self._say("record_not_reached", error=error)

    def _step(self, redis: Connection) -> None:
        server = read_server(redis)
        self._looks += 1
        if not must_raise(server) and (not server.is_primary or self._looks % LOOK_BEYOND_LOOKS != 1):
            return
        match decide(server, self.records.read(), self._unwritten):
            case Raise() as wanted:
                self.records.raise_to(wanted)
                self._write(redis, wanted)
            case Write(epoch=epoch, replid=replid):
                self._write(redis, Raise(epoch, replid, ""))
            case Serve(epoch=epoch) if self.leads_clients:
                self._lead_clients(epoch)

    def _write(self, redis: Connection, raised: Raise) -> None:
        self._unwritten = None
        try:
            result = write_key(redis, raised.epoch, raised.replid)
        except RedisError as error:
            if not str(error).startswith(REFUSED):
                raise
            self._unwritten = raised
            self._say("epoch_waits_for_replicas", epoch=raised.epoch)
            self.sleep(REFUSED_SECONDS)
            return
        self._say("epoch_raised" if result == WRITTEN else "epoch_wasted", epoch=raised.epoch, result=result)
        if result == WRITTEN and self.leads_clients:
            self._lead_clients(raised.epoch)

    def _lead_clients(self, epoch: int) -> None:
        if self.records.lead_clients_here(epoch, self.port):
            self._say("clients_led_here", epoch=epoch)

    def _hang_up(self) -> None:
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def _say(self, event: str, **fields: object) -> None:
        """The same thing once."""
        line = " ".join([event, *(f"{name}={value}" for name, value in fields.items())])
        if line != self._said:
            self._said = line
            print(line, file=sys.stderr, flush=True)
