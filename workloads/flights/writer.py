"""One writer: chooses, records that it asks, sends, records how it ended."""

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
from flights.operations import Catalogue, Kind, Operation, choose, families_of
from flights.pace import ticks
from flights.records import Outcome, Write, write_line
from flights.statements import NoRowTouchedError, send

TALLY_OF = {
    Outcome.ACKNOWLEDGED: Tally.WRITES,
    Outcome.FAILED: Tally.WRITES_FAILED,
    Outcome.UNKNOWN: Tally.WRITES_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Writer:
    """What one writer thread works with. Its log is its own: no lock between it and the others."""

    number: int
    run: str
    database: ShardedDatabase
    catalogue: Catalogue
    ledger: Ledger
    clock: Clock
    log: TextIO

    def work(self, per_second: float, wait: Callable[[float], bool]) -> None:
        random = Random(f"{self.run}-{self.number}")
        for sequence, _ in enumerate(ticks(per_second, self.clock.now, wait)):
            self.write(choose(random, self.catalogue, self.number, sequence))

    def write(self, operation: Operation) -> None:
        for family in families_of(operation.kind):
            self.ledger.ask(family, operation.counter, self.number)
        started = self.clock.now()
        outcome = self.attempt(operation)
        ended = self.clock.now()
        self.log.write(write_line(Write(operation, started, ended, outcome)))
        self.ledger.count(self.number, TALLY_OF[outcome])
        self.ledger.observe_latency(self.number, ended - started)
        if outcome is Outcome.ACKNOWLEDGED:
            self.publish(operation)

    def attempt(self, operation: Operation) -> Outcome:
        counter = self.catalogue.counters[operation.counter] if operation.counter >= 0 else None
        try:
            send(self.database, operation, counter, self.run)
        except caisson.OutcomeUnknown as error:
            self.complain(operation, error)
            return Outcome.UNKNOWN
        except (caisson.Error, psycopg.Error, NoRowTouchedError) as error:
            self.complain(operation, error)
            return Outcome.FAILED
        return Outcome.ACKNOWLEDGED

    def publish(self, operation: Operation) -> None:
        """Readers hold the database to it from now on."""
        for family in families_of(operation.kind):
            self.ledger.acknowledge(family, operation.counter, self.number)
        if operation.kind is Kind.INSERT:
            self.ledger.last_insert[self.number] = operation.booking

    def complain(self, operation: Operation, error: Exception) -> None:
        print(f"write failed: {operation}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
