"""A seeded storm over one expansion: the same seed, the same weather. For controls, which must find their loss every time."""

import random
from collections.abc import Callable

from .world import World


def storm(world: World, seed: int, moments: int = 1200) -> None:
    """Raises the Violation that it finds; ends with calm, in which everything must come to its end."""
    weather = random.Random(seed)
    actions = _actions(world, weather)
    for _ in range(moments):
        weather.choices([act for act, _ in actions], [weight for _, weight in actions])[0]()
    world.calm_down()


def _actions(world: World, weather: random.Random) -> list[tuple[Callable[[], object], int]]:
    def shard() -> str:
        return weather.choice(sorted(world.servers))

    def coin(chance: float = 0.5) -> bool:
        return weather.random() < chance

    return [
        (world.lead, 80),
        (lambda: world.write(weather.randrange(8), weather.randrange(3), coin(), coin(0.2), coin(0.2)), 30),
        (lambda: world.flow("copy", "s0", 1), 10),
        (lambda: world.flow("apply", "s0", weather.randrange(1, 4)), 15),
        (lambda: world.flow("confirm", shard(), 1), 8),
        (lambda: world.flow("replicate", shard(), 1), 8),
        (lambda: world.befall(weather.choice(["fail_over", "restart", "promote"]), shard(), 0), 2),
        (lambda: world.return_standby(shard()), 8),
        (lambda: world.change_leader(coin()), 1),
        (world.lead_asleep, 10),
    ]
