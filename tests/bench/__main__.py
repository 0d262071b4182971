"""`python -m bench [NAME]`: run the benches, write build/bench/NAME.json, print a table. Nothing is asserted."""

import sys
from collections.abc import Callable, Sequence

from bench import coordination, expansion, failover, moving, sdk
from bench.record import Record, show, write_records

BENCHES: dict[str, Callable[[], Sequence[Record]]] = {
    "expansion": expansion.measure,
    "sdk": sdk.measure,
    "failover": failover.measure,
    "moving": moving.measure,
    "coordination": coordination.measure,
}


def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"error: no bench is called {unknown[0]}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    for name in names or BENCHES:
        records = BENCHES[name]()
        write_records(name, records)
        show(name, records)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
