"""Runs the writers and readers until it is told to stop, in a few processes of many threads.

Processes, because one interpreter's lock would add its own waits to the latencies; few of them, because each keeps
its own pools and map. After the stop it goes on answering /status, so that the records can be checked in place.
"""

import multiprocessing
import signal
import threading
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from typing import TextIO

from caisson import ShardedDatabase
from flights.catalogue import build_catalogue
from flights.clock import Clock
from flights.direct import read_binding
from flights.ledger import Ledger, Tally
from flights.map_watch import MapWatch
from flights.operations import Catalogue
from flights.reader import Reader
from flights.status import RateHistory, build_status, serve_status
from flights.writer import Writer

SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """What the command line says."""

    binding: str
    log: Path
    run: str
    buckets: int
    group: str
    flights: int | None
    writers: int
    readers: int
    processes: int
    writes_per_second: float
    reads_per_second: float
    port: int


@dataclass(frozen=True, slots=True)
class Crew:
    """What every process of the traffic inherits."""

    options: TrafficOptions
    catalogue: Catalogue
    ledger: Ledger
    clock: Clock
    stop: Event


def open_log(folder: Path, name: str) -> TextIO:
    return (folder / name).open("w", encoding="utf-8", buffering=1)


def run_traffic(options: TrafficOptions) -> None:
    """Returns when it was asked to stop by POST /stop and then to go by SIGTERM (or by SIGTERM alone)."""
    context = multiprocessing.get_context("fork")
    catalogue = build_catalogue(options.buckets, options.flights)
    ledger = Ledger.create(options.writers, options.readers, len(catalogue.counters))
    crew = Crew(options, catalogue, ledger, Clock.start(), context.Event())
    # Blocked in every thread and process; the parent alone waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    processes = [context.Process(target=work, args=(crew, number)) for number in range(options.processes)]
    for process in processes:
        process.start()
    observe_until_stopped(crew, processes)


def observe_until_stopped(crew: Crew, processes: list[ForkProcess]) -> None:
    """The parent's part: the map, the rate, the status."""
    options, history = crew.options, RateHistory()
    watch = MapWatch(read_binding(options.binding), options.group, crew.clock, lambda name: open_log(options.log, name))
    watching = Thread(target=watch.run, args=(crew.stop.is_set, crew.stop.wait), name="map")
    watching.start()

    def status() -> dict[str, object]:
        is_finished = crew.stop.is_set() and not any(process.is_alive() for process in processes)
        return build_status(crew.ledger, history, watch.moved_buckets(), is_finished)

    server = serve_status(options.port, status, crew.stop.set)
    has_to_go = False
    while not crew.stop.is_set():
        has_to_go = signal.sigtimedwait({signal.SIGTERM}, SAMPLE_SECONDS) is not None
        if has_to_go:
            crew.stop.set()
        history.sample(crew.ledger.total(Tally.WRITES))
        require_alive(processes)
    for process in processes:
        process.join()
    watching.join()
    print("traffic stopped", flush=True)
    if not has_to_go:
        signal.sigwait({signal.SIGTERM})
    server.shutdown()


def require_alive(processes: list[ForkProcess]) -> None:
    """Half of the traffic must not go missing in silence."""
    for process in processes:
        if process.exitcode:
            raise RuntimeError(f"{process.name} of the traffic ended by itself with exit code {process.exitcode}")


def work(crew: Crew, process: int) -> None:
    """One process: every n-th writer and reader, on one connected database."""
    options, stop = crew.options, stop_of_process(crew.stop)
    with ShardedDatabase.connect(options.binding) as database:
        threads = [
            Thread(target=run_writer, args=(crew, number, database, stop), name=f"writer-{number}")
            for number in range(process, options.writers, options.processes)
        ] + [
            Thread(target=run_reader, args=(crew, number, database, stop), name=f"reader-{number}")
            for number in range(process, options.readers, options.processes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def stop_of_process(stop: Event) -> threading.Event:
    """The same signal within one process: an event between processes is too slow to pace every write with."""
    local = threading.Event()

    def pass_on() -> None:
        stop.wait()
        local.set()

    Thread(target=pass_on, name="stop", daemon=True).start()
    return local


def run_writer(crew: Crew, number: int, database: ShardedDatabase, stop: threading.Event) -> None:
    options = crew.options
    with open_log(options.log, f"writes-{number}.tsv") as log:
        writer = Writer(number, options.run, database, crew.catalogue, crew.ledger, crew.clock, log)
        writer.work(options.writes_per_second / options.writers, stop.wait)


def run_reader(crew: Crew, number: int, database: ShardedDatabase, stop: threading.Event) -> None:
    options = crew.options
    with open_log(options.log, f"reads-{number}.tsv") as log:
        reader = Reader(number, options.run, database, crew.catalogue, crew.ledger, crew.clock, log)
        reader.work(options.reads_per_second / options.readers, stop.wait)
