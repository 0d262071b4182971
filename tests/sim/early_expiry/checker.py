"""What must hold, looked at after every moment: nothing acknowledged is lost, and one member at a time acknowledges."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .member import ANYBODY, Member

if TYPE_CHECKING:
    from .world import World


class Violation(AssertionError):
    pass


class AcknowledgedCommitLost(Violation):
    pass


class OldPrimaryAcknowledges(Violation):
    pass


class TwoPrimariesAcknowledge(Violation):
    pass


class NobodyLeads(Violation):
    pass


@dataclass(frozen=True)
class Origin:
    """Where a commit was written, and which timeline was the newest then."""

    name: str
    timeline: int
    newest_timeline: int


@dataclass
class Checker:
    origins: dict[int, Origin] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    # Who has acknowledged commits of its own on each timeline.
    acknowledging: dict[int, str] = field(default_factory=dict)

    def note_origin(self, commit: int, primary: Member, newest_timeline: int) -> None:
        self.origins[commit] = Origin(primary.name, primary.timeline, newest_timeline)

    def check(self, world: "World") -> None:
        """Acknowledge whatever may be, as early as may be; what is acknowledged is in the newest primary's log."""
        primaries = [member for member in world.members.values() if member.is_primary]
        for primary in primaries:
            for commit in primary.log:
                if commit not in self.acknowledged and may_acknowledge(world, primary, commit):
                    self.acknowledged.add(commit)
                    self.note_acknowledging(primary, commit)
        for primary in primaries:
            leads = world.store.record.leader == primary.name
            if (leads or primary.timeline == world.newest_timeline) and (lost := self.acknowledged - set(primary.log)):
                raise AcknowledgedCommitLost(f"{sorted(lost)} not on {primary.name}")
        for commit in self.acknowledged:
            self.check_origin(commit)

    def note_acknowledging(self, primary: Member, commit: int) -> None:
        origin = self.origins[commit]
        if (origin.name, origin.timeline) != (primary.name, primary.timeline):
            return
        first = self.acknowledging.setdefault(origin.timeline, primary.name)
        if first != primary.name:
            raise TwoPrimariesAcknowledge(f"{first} and {primary.name} on timeline {origin.timeline}")

    def check_origin(self, commit: int) -> None:
        origin = self.origins[commit]
        if origin.timeline < origin.newest_timeline:
            raise OldPrimaryAcknowledges(f"{commit} of {origin}")


def may_acknowledge(world: "World", primary: Member, commit: int) -> bool:
    if not primary.sync_names:
        return True
    names = primary.sync_names if primary.sync_names != ANYBODY else set(world.members) - {primary.name}
    return any(commit in world.members[name].log for name in names)
