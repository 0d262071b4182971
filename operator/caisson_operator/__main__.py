"""The composition root: reads the environment and the command line, and starts one replica."""

import argparse
import asyncio
import os
import sys

from caisson_operator.application import Replica
from caisson_operator.settings import ENVIRONMENT, Settings, SettingsError, read_settings
from caisson_operator.telemetry.logs import set_up_logs


def main(arguments: list[str]) -> int:
    _build_parser().parse_args(arguments)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    set_up_logs(settings.log_level)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    from caisson_operator.kinds import KINDS

    await Replica(settings, KINDS).run()


def _build_parser() -> argparse.ArgumentParser:
    variables = "\n".join(f"  {name}\n      {meaning}" for name, meaning in ENVIRONMENT.items())
    return argparse.ArgumentParser(
        prog="python -m caisson_operator",
        description="The Caisson operator. It takes everything from its environment:\n\n" + variables,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
