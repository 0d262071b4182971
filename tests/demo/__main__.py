"""`python -m demo`: the story, the closing table, build/demo.json, and an exit code that means it."""

import json
import sys
import time

from demo.cluster import REPOSITORY, CommandFailedError, TimedOutError, say
from demo.musts import Figures, Must, judge, render_table, to_json
from demo.story import Story, tell

OUTPUT = REPOSITORY / "build/demo.json"
MISSED, BROKEN, INTERRUPTED = 1, 2, 130


def main() -> int:
    story, started = Story(), time.monotonic()
    OUTPUT.unlink(missing_ok=True)  # a demo that breaks off must not look like the one before
    try:
        figures = tell(story)
    except (CommandFailedError, TimedOutError, LookupError, RuntimeError) as error:
        say(f"error: {error}")
        return BROKEN
    except KeyboardInterrupt:
        say("interrupted; the cluster stays up, and the next run begins with a clean namespace")
        return INTERRUPTED
    musts = judge(figures, story.wanted)
    report(figures, musts)
    say(f"the demo took {time.monotonic() - started:.0f} s")
    return 0 if all(must.ok for must in musts) else MISSED


def report(figures: Figures, musts: tuple[Must, ...]) -> None:
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(to_json(figures, musts), indent=1) + "\n")
    print(f"\n{render_table(figures, musts)}\n")
    missed = [must.name for must in musts if not must.ok]
    print(f"written to {OUTPUT.relative_to(REPOSITORY)}; missed: {', '.join(missed) or 'nothing'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
