"""What the frame asks of a room, one room per custom resource.

The frame (`reconcile.py`) loads the object, calls these four in order, and writes the status once. A room knows nothing
of queues, watches, retries, leases or Events; the frame knows nothing of what a room decides.
"""

from typing import Protocol, TypeVar

from .decisions import Decision, Step

Resource = TypeVar("Resource", contravariant=True)
Observed = TypeVar("Observed")
Status = TypeVar("Status", covariant=True)


class Room(Protocol[Resource, Observed, Status]):
    """One kind's reconcile, cut at the places where a crash may fall.

    The frame's loop for one object, which it never runs twice at the same time for the same object::

        observed = await room.observe(resource)
        decision = room.decide(resource, observed)
        if Plan:  for step in plan.steps: await room.act(resource, step)
                  observed = await room.observe(resource)      # what was done, as it stands now
        status = room.build_status(resource, observed, decision)

    and then: Plan is looked at again at once, Wait after its seconds, Refuse and Settled at the next event or resync.
    """

    async def observe(self, resource: Resource) -> Observed:
        """Read everything once into a frozen value. A part that cannot be reached is a finding, not an exception."""
        ...

    def decide(self, resource: Resource, observed: Observed) -> Decision:
        """Pure: the same resource and observation give the same decision (the clock's reading is in `observed`)."""
        ...

    async def act(self, resource: Resource, step: Step) -> None:
        """Run one step. An exception stops the plan here; the frame logs it, backs off, observes and decides anew."""
        ...

    def build_status(self, resource: Resource, observed: Observed, decision: Decision) -> Status:
        """Pure: the whole status from the observation. The frame adds `observedGeneration`, transition times, and,
        after an exception, the conditions that say so."""
        ...

    async def close(self) -> None:
        """Let go of what it holds open; called once, when this process stops leading."""
        ...
