"""Members: what each has mounted of the Secret, goes by, tells, streams by, and takes from who calls it."""

from dataclasses import dataclass, field

from caisson_operator.core.layout import FIRST_MEMBER_ROLES
from caisson_operator.sharded_database.observed import Pod, Standby
from caisson_operator.sharded_database.patroni_state import MemberState

from .secret import Login, Mount, Secret

SHARDS = ("s0", "s1")
MEMBERS = tuple(f"flights-{shard}-{number}" for shard in SHARDS for number in range(2))
STANDBYS = tuple(name for name in MEMBERS if name.endswith("1"))


@dataclass
class Member:
    """`version` of the Secret is what its node has mounted, `taken` what its Patroni goes by, `told` what its pod says of that, and
    `streams` what its standby was configured with last."""

    version: int
    taken: int
    streams: int
    told: int | None = None
    is_silent: bool = False  # its image cannot tell, and takes one password alone: the one of its start
    is_cut_off: bool = False


@dataclass
class Members:
    """Nothing happens to whoever has no pod."""

    secret: Secret
    there: dict[str, Member] = field(default_factory=lambda: {name: Member(0, 0, 0, 0) for name in MEMBERS})

    # What happens to them.

    def mount_follows(self, name: str, is_whole: bool = True) -> None:
        """To the newest, or by one only: a kubelet may be slow."""
        if member := self.there.get(name):
            newest = self.secret.newest
            member.version = newest if is_whole else min(member.version + 1, newest)

    def loop(self, name: str) -> None:
        """Patroni takes up what is mounted, and tells it. Where it hangs, or the API server is away, this does not come."""
        if (member := self.there.get(name)) and not member.is_silent:
            member.taken = member.told = member.version

    def standby_follows(self, name: str) -> None:
        """Patroni gives its PostgreSQL what it goes by; where it streams, it comes anew."""
        if member := self.there.get(name):
            member.streams = member.taken

    def cut_off(self, name: str, is_cut_off: bool) -> None:
        if member := self.there.get(name):
            member.is_cut_off = is_cut_off

    def all_follow(self) -> None:
        for name in MEMBERS:
            self.mount_follows(name)
            self.loop(name)
        for name in STANDBYS:
            self.standby_follows(name)
            self.cut_off(name, False)

    def restart(self, name: str) -> None:
        """Its pod, and what it tells, stay; it begins with what is mounted."""
        if member := self.there.get(name):
            member.taken = member.streams = member.version

    def leave_or_return(self, name: str, is_silent: bool) -> None:
        """With an empty pod, which mounts what the Secret holds now. One with an older image is deployed only between rotations."""
        if self.there.pop(name, None) is None:
            newest = self.secret.newest
            found = self.secret.mounts[newest]
            is_between = len(found.calls) == 1 and found.logins[0][0] == FIRST_MEMBER_ROLES[0]
            self.there[name] = Member(newest, newest, newest, is_silent=is_silent and is_between)

    # What they send, take, and come with.

    def send(self, name: str) -> str:
        return self._find_taken(name).calls[0]

    def take(self, name: str) -> set[str]:
        found = self._find_taken(name).calls
        return set(found[:1] if self.there[name].is_silent else found)

    def list_logins(self, name: str) -> list[Login]:
        """Of its Patroni, and of its standby, whose stream may break before Patroni has given it what it goes by."""
        member = self.there[name]
        versions = (member.taken, member.streams) if name in STANDBYS else (member.taken,)
        return [login for version in versions for login in self.secret.mounts[version].logins]

    def _find_taken(self, name: str) -> Mount:
        return self.secret.mounts[self.there[name].taken]

    # What the operator sees of them.

    def list_pods(self) -> tuple[Pod, ...]:
        return tuple(
            Pod(name, find_shard(name), "replica", True, told=self._build_state(member))
            for name, member in self.there.items()
        )

    def list_standbys(self, shard: str) -> dict[str, Standby]:
        return {
            name: Standby(True, 0, self.secret.mounts[member.streams].logins[0][0])
            for name, member in self.there.items()
            if name in STANDBYS and find_shard(name) == shard and not member.is_cut_off
        }

    def _build_state(self, member: Member) -> MemberState:
        if member.told is None:
            return MemberState("running")
        told = self.secret.mounts[member.told]
        return MemberState("running", 1, False, told.told_calls, told.told_roles)


def find_shard(member: str) -> str:
    return member.split("-")[1]
