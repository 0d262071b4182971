"""Two shards of two members each, the Secret that they mount, an operator that may die or be late, and the checks."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from caisson_operator.core.decisions import Decision, Plan, Step
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, RETIRED, mark_rotation
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.member_passwords import decide_member_passwords
from caisson_operator.sharded_database.observed import Objects, Observed, Pod, Shard, Standby
from caisson_operator.sharded_database.patroni_state import MemberState
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted, settle

from .secret import Secret

SHARDS = ("s0", "s1")
MEMBERS = tuple(f"flights-{shard}-{number}" for shard in SHARDS for number in range(2))
STANDBYS = tuple(name for name in MEMBERS if name.endswith("1"))
WANTED = build_wanted(2, membersPerShard=2)
SETTLED = settle(WANTED)

Decide = Callable[[Wanted, Observed, bool], Decision]


class Violation(AssertionError):
    """Something that must not happen did."""


class CallRefused(Violation):
    """A member does not take the password of Patroni's REST API that another, or the operator, sends it."""


class NotLetIn(Violation):
    """A shard does not let a member in as the role, or with the password, that it comes with."""


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
class Roles:
    """One shard: what its roles let in with, and what it notes of it."""

    passwords: dict[str, str] = field(default_factory=lambda: dict.fromkeys(FIRST_MEMBER_ROLES, "first"))
    marks: dict[str, str] = field(default_factory=lambda: dict.fromkeys(FIRST_MEMBER_ROLES, ""))
    is_away: bool = False


@dataclass
class World:
    """`decide` is the room's own, unless a control puts another in its place."""

    decide: Decide = decide_member_passwords
    secret: Secret = field(default_factory=Secret)
    members: dict[str, Member] = field(default_factory=lambda: {name: Member(0, 0, 0, 0) for name in MEMBERS})
    shards: dict[str, Roles] = field(default_factory=lambda: {name: Roles() for name in SHARDS})
    requests: int = 0
    late_steps: list[Step] = field(default_factory=list)

    # What the operator does.

    def ask(self) -> None:
        self.requests += 1

    def reconcile(self) -> None:
        for step in self._decide():
            self._act(step)

    def reconcile_half(self) -> None:
        """It dies after its first step."""
        for step in self._decide()[:1]:
            self._act(step)

    def look_and_fall_asleep(self) -> None:
        """A leader that has decided, and acts after its successor, which the shards know of by then: they refuse it."""
        self.late_steps.extend(step for step in self._decide() if not isinstance(step, steps.OnShard))

    def wake_up(self) -> None:
        self._act(self.late_steps.pop(0))

    # What happens to members and shards. Whoever has no pod is left out.

    def mount_follows(self, name: str, is_whole: bool = True) -> None:
        """To the newest, or by one only: a kubelet may be slow."""
        if member := self.members.get(name):
            newest = self.secret.newest
            member.version = newest if is_whole else min(member.version + 1, newest)

    def loop(self, name: str) -> None:
        """Patroni takes up what is mounted, and tells it. Where it hangs, or the API server is away, this does not come."""
        if (member := self.members.get(name)) and not member.is_silent:
            member.taken = member.told = member.version

    def standby_follows(self, name: str) -> None:
        """Patroni gives its PostgreSQL what it goes by; where it streams, it comes anew."""
        if member := self.members.get(name):
            member.streams = member.taken

    def cut_off(self, name: str, is_cut_off: bool) -> None:
        if member := self.members.get(name):
            member.is_cut_off = is_cut_off

    def take_away(self, shard: str, is_away: bool = True) -> None:
        self.shards[shard].is_away = is_away

    def all_follow(self) -> None:
        for name in MEMBERS:
            self.mount_follows(name)
            self.loop(name)
        for name in STANDBYS:
            self.standby_follows(name)
            self.cut_off(name, False)

    def restart(self, name: str) -> None:
        """Its pod, and what it tells, stay; it begins with what is mounted."""
        if member := self.members.get(name):
            member.taken = member.streams = member.version

    def leave_or_return(self, name: str, is_silent: bool) -> None:
        """With an empty pod, which mounts what the Secret holds now. One with an older image is deployed only between rotations."""
        if self.members.pop(name, None) is None:
            newest = self.secret.newest
            found = self.secret.mounts[newest]
            is_between = len(found.calls) == 1 and found.logins[0][0] == FIRST_MEMBER_ROLES[0]
            self.members[name] = Member(newest, newest, newest, is_silent=is_silent and is_between)

    # What must hold.

    def take(self, name: str) -> set[str]:
        """The passwords that this member takes from who calls it."""
        member = self.members[name]
        found = self.secret.mounts[member.taken].calls
        return set(found[:1] if member.is_silent else found)

    def check(self) -> None:
        self.check_calls()
        self.check_logins()

    def check_calls(self) -> None:
        """Every member takes what the others send, and what the operator does."""
        sent = {caller: self.secret.mounts[member.taken].calls[0] for caller, member in self.members.items()}
        sent["the operator"] = self.secret.passwords.now.restapi
        for name in self.members:
            for caller, password in sent.items():
                if password not in self.take(name):
                    raise CallRefused(f"{name} refuses {caller}")

    def check_logins(self) -> None:
        """Every member is let in: by its Patroni, and by its standby whose stream breaks before Patroni has given it what it goes by."""
        for name, member in self.members.items():
            passwords = self.shards[find_shard(name)].passwords
            for version in {member.taken, member.streams if name in STANDBYS else member.taken}:
                for role, password in self.secret.mounts[version].logins:
                    if passwords.get(role) != password:
                        raise NotLetIn(f"{name} is not let in as {role}")

    # What the operator sees, and how it acts.

    def _decide(self) -> tuple[Step, ...]:
        wanted = replace(WANTED, member_rotation=f"r{self.requests}" if self.requests else None)
        decision = self.decide(wanted, self._observe(), False)
        return decision.steps if isinstance(decision, Plan) else ()

    def _observe(self) -> Observed:
        found = self.secret.passwords
        assert found.now.roles
        objects = Objects(
            claimed_sizes=dict.fromkeys(SHARDS, "1Gi"),
            pods=tuple(self._build_pod(name, member) for name, member in self.members.items()),
            member_rotation=found.now.rotation,
            coming_member_rotation=found.coming.rotation if found.coming else None,
            previous_member_rotation=found.previous.rotation if found.previous else None,
            member_roles=found.now.roles.names,
            coming_member_roles=found.coming.roles.names if found.coming and found.coming.roles else (),
        )
        return Observed(
            NOW, objects, {name: self._read_shard(name) for name in SHARDS if not self.shards[name].is_away}
        )

    def _build_pod(self, name: str, member: Member) -> Pod:
        mount = None if member.told is None else self.secret.mounts[member.told]
        told = MemberState("running", 1, False, mount.told_calls, mount.told_roles) if mount else MemberState("running")
        return Pod(name, find_shard(name), "replica", True, told=told)

    def _read_shard(self, name: str) -> Shard:
        standbys = {
            other: Standby(True, 0, self.secret.mounts[member.streams].logins[0][0])
            for other, member in self.members.items()
            if other in STANDBYS and find_shard(other) == name and not member.is_cut_off
        }
        return replace(SETTLED[name], member_roles=dict(self.shards[name].marks), standbys=standbys)

    def _act(self, step: Step) -> None:
        match step:
            case steps.LetMembersIn(shard, rotation):
                found = self.secret.passwords.find_roles(rotation)
                for each in (found.replication, found.rewind):
                    self.shards[shard].passwords[each.role] = each.password
                    self.shards[shard].marks[each.role] = mark_rotation(rotation)
            case steps.RetireMemberRoles(shard, roles):
                for role in roles:
                    self.shards[shard].passwords.pop(role)
                    self.shards[shard].marks[role] = RETIRED
            case _:
                self.secret.act(step)


def find_shard(member: str) -> str:
    return member.split("-")[1]
