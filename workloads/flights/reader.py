"""One reader: strong reads of rows whose last acknowledged state it knows, each held against that state."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TextIO

import psycopg

import caisson
from caisson import ShardedDatabase
from flights.clock import Clock
from flights.ledger import Ledger, Tally
from flights.operations import Catalogue, Counter, Family, plane_of_booking
from flights.pace import ticks
from flights.records import Outcome, Read, read_line
from flights.statements import read_booking, read_counter


@dataclass(frozen=True, slots=True)
class Register:
    """What is about to be read, and the bounds that its value must keep to."""

    tailnum: str
    bucket: int
    target: str
    read: Callable[[], int]
    floor: Callable[[], int]
    ceiling: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Reader:
    """What one reader thread works with."""

    number: int
    run: str
    database: ShardedDatabase
    catalogue: Catalogue
    ledger: Ledger
    clock: Clock
    log: TextIO

    def work(self, per_second: float, wait: Callable[[float], bool]) -> None:
        random = Random(f"{self.run}-reader-{self.number}")
        for _ in ticks(per_second, self.clock.now, wait):
            self.observe(self.choose(random))

    def choose(self, random: Random) -> Register:
        """A counter, or a booking that has just been acknowledged to some writer."""
        booking = int(self.ledger.last_insert[random.randrange(self.ledger.writers)])
        if booking and random.random() < 0.4:
            return self.booking_register(booking)
        return self.counter_register(random.choice(tuple(Family)), random.choice(self.catalogue.counters))

    def booking_register(self, booking: int) -> Register:
        plane = plane_of_booking(booking, len(self.catalogue.tailnums))
        tailnum, bucket = self.catalogue.tailnums[plane], self.catalogue.buckets[plane]
        return Register(
            tailnum, bucket, f"booking:{booking}", lambda: read_booking(self.database, tailnum, booking), one, one
        )

    def counter_register(self, family: Family, counter: Counter) -> Register:
        return Register(
            counter.tailnum,
            counter.bucket,
            f"{family.name.lower()}:{counter.index}",
            lambda: read_counter(self.database, family, counter),
            lambda: self.ledger.floor(family, counter.index),
            lambda: self.ledger.ceiling(family, counter.index),
        )

    def observe(self, register: Register) -> None:
        floor, started = register.floor(), self.clock.now()
        outcome, value = self.attempt(register)
        ended, ceiling = self.clock.now(), register.ceiling()
        read = Read(
            self.number, register.tailnum, register.bucket, register.target, started, ended, outcome, floor, value, ceiling
        )  # fmt: skip
        self.log.write(read_line(read))
        self.count(read)

    def attempt(self, register: Register) -> tuple[Outcome, int]:
        try:
            return Outcome.ACKNOWLEDGED, register.read()
        except (caisson.Error, psycopg.Error) as error:
            print(f"read failed: {register.target}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return Outcome.FAILED, 0

    def count(self, read: Read) -> None:
        thread = self.ledger.writers + self.number
        if read.outcome is Outcome.FAILED:
            return self.ledger.count(thread, Tally.READS_FAILED)
        self.ledger.count(thread, Tally.READS)
        if read.value < read.floor:
            self.ledger.count(thread, Tally.READS_STALE)
        return None


def one() -> int:
    """A booking that was acknowledged is there, and its version is 1."""
    return 1
