"""A seeded storm of squalls: all is well, then the leader stalls in the middle of its cycle, and then anything happens."""

import random

from .connection import Requests, Watching
from .world import NAMES, World

KINDS = {"step": 40, "act": 25, "notice": 3, "write": 10, "stream": 30, "cut": 6, "mend": 3}
# The store fails as well, for one member or for all, and a silence may last for ttl.
WITH_OUTAGES = KINDS | {"trouble": 3, "late": 4, "outage": 1, "end": 3, "arrive": 4, "ttl": 1, "silent": 3, "hurry": 1}


def storm(world: World, seed: int, kinds: dict[str, int] = KINDS, squalls: int = 6) -> None:
    """Raises the Violation that it finds; ends with calm."""
    weather = random.Random(seed)
    for _ in range(squalls):
        squall(world, weather, kinds)
    world.calm_down()


def squall(world: World, weather: random.Random, kinds: dict[str, int]) -> None:
    world.cut_off.clear()
    world.end_trouble(NAMES)
    world.go_well(weather.randrange(1, 5))
    world.step(world.store.record.leader or "A", weather.randrange(5))
    if "ttl" in kinds and weather.random() < 0.5:
        let_a_standby_race(world, weather)
    else:
        let_agents_act(world, weather)
    if weather.random() < 0.5:
        world.cut_off.update(world.store.sync.standbys)
    slow = {name for name in NAMES if weather.random() < 0.3}
    for _ in range(weather.randrange(20, 80)):
        befall(world, weather, slow, kinds)


def let_agents_act(world: World, weather: random.Random) -> None:
    world.notice_silence_together()
    for name in NAMES:
        world.act(name, weather.randrange(6))


def let_a_standby_race(world: World, weather: random.Random) -> None:
    """By ttl: it has seen the leader's last renewal."""
    name = weather.choice(sorted(world.store.sync.standbys) or NAMES)
    world.finish_cycle(name)
    world.let_ttl_pass()
    world.step(name, weather.randrange(5))


def befall(world: World, weather: random.Random, slow: set[str], kinds: dict[str, int]) -> None:
    name = weather.choice(NAMES)
    match weather.choices([*kinds], [*kinds.values()])[0]:
        case "step" if name not in slow or weather.random() < 0.1:
            world.step(name)
        case "act":
            world.act(name)
        case "notice":
            world.notice_silence_together()
        case "write":
            world.write(name)
        case "stream":
            world.stream(name)
        case "cut":
            world.cut_off.add(name)
        case "mend":
            world.cut_off.discard(name)
        case kind:
            befall_the_store(world, weather, name, kind)


def befall_the_store(world: World, weather: random.Random, name: str, kind: str) -> None:
    match kind:
        case "trouble":
            world.trouble(name, weather.choice([*Watching]), weather.choice([*Requests]))
        case "late":
            world.trouble(name, Watching.CURRENT, Requests.LATE)
            world.step(name, weather.randrange(1, 3))
            world.end_trouble(name)
        case "outage":
            world.trouble(NAMES, weather.choice([*Watching]), weather.choice([*Requests]))
        case "end":
            world.end_trouble(weather.choice([name, NAMES]))
        case "arrive":
            world.arrive()
        case "ttl":
            world.let_ttl_pass()
        case "silent":
            world.silent ^= {name}
        case "hurry":
            world.connections[name].has_time = False
