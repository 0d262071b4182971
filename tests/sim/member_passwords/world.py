"""Two shards of two members each, the Secret that they mount, an operator that may die or be late, and the checks."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from caisson_operator.core.decisions import Decision, Plan, Step
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.member_credentials import MemberPasswords
from caisson_operator.sharded_database.member_passwords import decide_member_passwords
from caisson_operator.sharded_database.observed import Objects, Observed
from caisson_operator.sharded_database.wanted import Wanted
from fakes.access import Guards
from fakes.observations import NOW, build_wanted
from fakes.server import Deposed, Unreachable
from fakes.shards import Shards

from .members import SHARDS, Members, find_shard
from .secret import Secret

WANTED = build_wanted(2, membersPerShard=2)

Decide = Callable[[Wanted, Observed, bool], Decision]


class Violation(AssertionError):
    """Something that must not happen did."""


class CallRefused(Violation):
    """A member does not take the password of Patroni's REST API that another, or the operator, sends it."""


class NotLetIn(Violation):
    """A shard does not let a member in as the role, or with the password, that it comes with."""


@dataclass(frozen=True)
class Leader:
    """With what it has read in the Secret."""

    term: int
    passwords: MemberPasswords


@dataclass
class World:
    """`decide` is the room's own, and `guards` are all there, unless a control puts others in their place."""

    decide: Decide = decide_member_passwords
    guards: Guards = field(default_factory=Guards)
    requests: int = 0
    term: int = 1
    late_steps: list[tuple[Leader, Step]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secret = Secret()
        self.members = Members(self.secret)
        self.shards = Shards(SHARDS, {}, self.guards)
        for name in SHARDS:
            self._act(self._lead(), steps.InstallSchema(name))
            self._act(self._lead(), steps.LetMembersIn(name, ""))

    # What happens, beside what happens to members.

    def ask(self) -> None:
        self.requests += 1

    def reconcile(self) -> None:
        for step in self._decide():
            self._act(self._lead(), step)

    def reconcile_half(self) -> None:
        """The operator dies after its first step."""
        for step in self._decide()[:1]:
            self._act(self._lead(), step)

    def look_and_fall_asleep(self) -> None:
        """A leader that has decided, and acts after others have followed it. Shards that know of one refuse it."""
        self.late_steps.extend((self._lead(), step) for step in self._decide())
        self.term += 1

    def wake_up(self) -> None:
        with suppress(Deposed, Unreachable):
            self._act(*self.late_steps.pop(0))

    def take_away(self, shard: str, is_away: bool = True) -> None:
        self.shards.servers[shard].is_up = not is_away

    # What must hold.

    def check(self) -> None:
        self.check_calls()
        self.check_logins()

    def check_calls(self) -> None:
        """Every member takes what the others send, and what the operator does."""
        sent = {name: self.members.send(name) for name in self.members.there}
        sent["the operator"] = self.secret.passwords.now.restapi
        for name in self.members.there:
            for caller, password in sent.items():
                if password not in self.members.take(name):
                    raise CallRefused(f"{name} refuses {caller}")

    def check_logins(self) -> None:
        """Every member is let in whenever it comes."""
        for name in self.members.there:
            for role, password in self.members.list_logins(name):
                if self.find_let_in(find_shard(name)).get(role) != password:
                    raise NotLetIn(f"{name} is not let in as {role}")

    def find_let_in(self, shard: str) -> dict[str, str]:
        """The passwords with which this shard lets members in, by role."""
        return self.shards.servers[shard].live.member_passwords

    # What the operator sees, and how it acts.

    def _decide(self) -> tuple[Step, ...]:
        wanted = replace(WANTED, member_rotation=f"r{self.requests}" if self.requests else None)
        decision = self.decide(wanted, self._observe(), False)
        return decision.steps if isinstance(decision, Plan) else ()

    def _observe(self) -> Observed:
        shards = {
            name: replace(shard, standbys=self.members.list_standbys(name))
            for name, shard in self.shards.observe(self.term).items()
        }
        return Observed(NOW, self._build_objects(self.secret.passwords), shards)

    def _build_objects(self, found: MemberPasswords) -> Objects:
        assert found.now.roles
        return Objects(
            claimed_sizes=dict.fromkeys(SHARDS, "1Gi"),
            pods=self.members.list_pods(),
            member_rotation=found.now.rotation,
            coming_member_rotation=found.coming.rotation if found.coming else None,
            previous_member_rotation=found.previous.rotation if found.previous else None,
            member_roles=found.now.roles.names,
            coming_member_roles=found.coming.roles.names if found.coming and found.coming.roles else (),
        )

    def _lead(self) -> Leader:
        return Leader(self.term, self.secret.passwords)

    def _act(self, leader: Leader, step: Step) -> None:
        if isinstance(step, steps.OnShard):
            self.shards.find_member_roles = leader.passwords.find_roles
            self.shards.apply(step, leader.term)
        else:
            self.secret.act(step)
