"""The command line: load, traffic, check. The only reader of arguments."""

import argparse
import json
import logging
import uuid
from pathlib import Path

from flights.check import CheckOptions, Kill, run_check
from flights.load import load_dataset
from flights.traffic import TrafficOptions, run_traffic


def main() -> None:
    options = build_parser().parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    match options.command:
        case "load":
            load_dataset(options.binding, options.flights)
        case "traffic":
            run_traffic(traffic_options(options))
        case "check":
            print(json.dumps(run_check(check_options(options)), indent=1))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_command(commands, "load", "load the flights and planes")
    add_traffic_arguments(add_command(commands, "traffic", "write and read until POST /stop"))
    check = add_command(commands, "check", "compare the records with what the shards have; a report in JSON")
    add_record_arguments(check)
    check.add_argument("--kill", action="append", default=[], metavar="SHARD@TIME", help="a primary that was killed")
    return parser


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--binding", default="flights", help="name of the Service Binding")
    command.add_argument("--flights", type=int, default=None, metavar="ROWS", help="only so many flights (all)")
    return command


def add_record_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log", type=Path, default=Path("/var/log/flights"), help="folder of the records")
    command.add_argument("--buckets", type=int, default=64, help="buckets of the tables, as the resource has them")


def add_traffic_arguments(command: argparse.ArgumentParser) -> None:
    add_record_arguments(command)
    command.add_argument("--group", default="aircraft", help="the tables' group")
    command.add_argument("--writers", type=int, default=8)
    command.add_argument("--readers", type=int, default=4)
    command.add_argument("--processes", type=int, default=2)
    command.add_argument("--writes-per-second", type=float, default=300, help="of all writers together")
    command.add_argument("--reads-per-second", type=float, default=48, help="of all readers together")
    command.add_argument("--port", type=int, default=8080, help="of GET /status and POST /stop")


def traffic_options(options: argparse.Namespace) -> TrafficOptions:
    return TrafficOptions(
        binding=options.binding,
        log=options.log,
        run=uuid.uuid4().hex[:12],
        buckets=options.buckets,
        group=options.group,
        flights=options.flights,
        writers=options.writers,
        readers=options.readers,
        processes=options.processes,
        writes_per_second=options.writes_per_second,
        reads_per_second=options.reads_per_second,
        port=options.port,
    )


def check_options(options: argparse.Namespace) -> CheckOptions:
    return CheckOptions(
        binding=options.binding,
        log=options.log,
        buckets=options.buckets,
        flights=options.flights,
        kills=tuple(parse_kill(text) for text in options.kill),
    )


def parse_kill(text: str) -> Kill:
    shard, _, at = text.partition("@")
    return Kill(shard, float(at))


if __name__ == "__main__":
    main()
