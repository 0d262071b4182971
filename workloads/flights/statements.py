"""The SQL of the application's reads and writes, and the calls of the SDK that send it."""

from caisson import ShardedDatabase, Transaction
from flights.operations import Counter, Family, Kind, Operation

INSERT = "INSERT INTO bookings (tailnum, booking, seats, version) VALUES (%s, %s, 1, 1)"
INCREMENT = "UPDATE flights SET revision = revision + 1 WHERE tailnum = %s AND id = %s"
UPSERT = (
    "INSERT INTO bookings AS b (tailnum, booking, seats, version) VALUES (%s, %s, 1, 1)"
    " ON CONFLICT (tailnum, booking) DO UPDATE SET version = b.version + 1"
)
READ_REVISION = "SELECT revision FROM flights WHERE tailnum = %s AND id = %s"
READ_VERSION = "SELECT version FROM bookings WHERE tailnum = %s AND booking = %s"


class NoRowTouchedError(Exception):
    """An acknowledged write that changed nothing: the row that it was meant for was not found."""


def send(database: ShardedDatabase, operation: Operation, counter: Counter | None, run: str) -> None:
    """Send one write, with an idempotency key; returns once it is acknowledged."""
    key = operation.idempotency_key(run)
    tailnum = operation.tailnum
    match operation.kind, counter:
        case Kind.INSERT, _:
            execute_once(database, INSERT, (tailnum, operation.booking), tailnum, key)
        case Kind.UPSERT, _:
            execute_once(database, UPSERT, (tailnum, operation.booking), tailnum, key)
        case Kind.INCREMENT, Counter(flight_id=flight):
            execute_once(database, INCREMENT, (tailnum, flight), tailnum, key)
        case Kind.PAIR, Counter(flight_id=flight):
            send_pair(database, operation, flight, key)
        case _:
            raise ValueError(f"{operation.kind} needs a counter")


def execute_once(database: ShardedDatabase, sql: str, params: tuple[object, ...], tailnum: str, key: str) -> None:
    if database.execute(sql, params, key=tailnum, idempotency_key=key).rowcount != 1:
        raise NoRowTouchedError(f"{sql.split()[0]} for {tailnum} {params[-1]} touched no row")


def send_pair(database: ShardedDatabase, operation: Operation, flight: int, key: str) -> None:
    def work(tx: Transaction) -> int:
        tx.execute(INSERT, (operation.tailnum, operation.booking))
        return tx.execute(INCREMENT, (operation.tailnum, flight)).rowcount

    if database.run(operation.tailnum, work, idempotency_key=key) != 1:
        raise NoRowTouchedError(f"the flight {flight} of {operation.tailnum} was not found")


def read_counter(database: ShardedDatabase, family: Family, counter: Counter) -> int:
    """The counter's value by a strong read; 0 where there is no row yet."""
    sql, number = (READ_REVISION, counter.flight_id) if family is Family.REVISION else (READ_VERSION, counter.booking)
    return read_number(database, sql, counter.tailnum, number)


def read_booking(database: ShardedDatabase, tailnum: str, booking: int) -> int:
    """1 if the booking is there, else 0."""
    return read_number(database, READ_VERSION, tailnum, booking)


def read_number(database: ShardedDatabase, sql: str, tailnum: str, number: int) -> int:
    rows = database.fetch(sql, (tailnum, number), key=tailnum, consistency="strong")
    return int(rows[0][0]) if rows else 0
