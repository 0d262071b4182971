"""A seeded storm of squalls: all is well, then the leader stalls in the middle of its cycle, and then anything happens."""

import random

from .world import NAMES, World

KINDS = {"step": 40, "act": 25, "notice": 6, "write": 10, "stream": 30, "cut": 6, "mend": 3}


def storm(world: World, seed: int, squalls: int = 6) -> None:
    """Raises the Violation that it finds; ends with calm."""
    weather = random.Random(seed)
    for _ in range(squalls):
        squall(world, weather)
    world.calm_down()


def squall(world: World, weather: random.Random) -> None:
    world.cut_off.clear()
    world.go_well(weather.randrange(1, 5))
    world.step(world.store.record.leader or "A", weather.randrange(5))
    for name in NAMES:
        world.notice_silence(name)
        world.act(name, weather.randrange(6))
    if weather.random() < 0.5:
        world.cut_off.update(world.store.sync.standbys)
    slow = {name for name in NAMES if weather.random() < 0.3}
    for _ in range(weather.randrange(20, 80)):
        befall(world, weather, slow)


def befall(world: World, weather: random.Random, slow: set[str]) -> None:
    name = weather.choice(NAMES)
    match weather.choices([*KINDS], [*KINDS.values()])[0]:
        case "step" if name not in slow or weather.random() < 0.1:
            world.step(name)
        case "act":
            world.act(name)
        case "notice":
            world.notice_silence(name)
        case "write":
            world.write(name)
        case "stream":
            world.stream(name)
        case "cut":
            world.cut_off.add(name)
        case "mend":
            world.cut_off.discard(name)
