"""The Secret of credentials in all its versions. What a member makes of one is read by the engine's own programs
(workloads/postgres/restapi_passwords.py, role_logins.py).
"""

from dataclasses import dataclass, field

from caisson_operator.core.decisions import Step
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.credentials import encode
from caisson_operator.sharded_database.member_credentials import (
    MemberPasswords,
    adopt_member,
    prepare_member,
    read_member_passwords,
    retire_member,
)
from fakes.programs import load_program

calls_program, roles_program = load_program("restapi_passwords"), load_program("role_logins")
FIRST = {"restapi": "first", "replication": "first", "rewind": "first", "passfile": "first"}

Login = tuple[str, str]
"""A role and its password."""


@dataclass(frozen=True)
class Mount:
    """What the engine makes of it: passwords of calls, the requests that the roles are of, and the logins to come with."""

    calls: tuple[str, ...]
    told_calls: tuple[str, ...]
    told_roles: tuple[str, ...]
    logins: tuple[Login, ...]


def read(keys: dict[str, str]) -> Mount:
    """As the engine reads a mount that holds these."""
    calls, roles = calls_program.read_passwords(keys), roles_program.read_roles(keys)
    logins = tuple((each["username"], each["password"]) for each in roles.logins.values())
    return Mount(tuple(each.text for each in calls), tuple(each.rotation for each in calls), roles.rotations, logins)


@dataclass
class Secret:
    """`mounts` are what the `versions` look like to a member. The password of the n-th request that it prepares is made-n."""

    versions: list[dict[str, str]] = field(default_factory=lambda: [FIRST])
    mounts: list[Mount] = field(default_factory=lambda: [read(FIRST)])
    made: int = 0

    @property
    def newest(self) -> int:
        return len(self.versions) - 1

    @property
    def passwords(self) -> MemberPasswords:
        return read_member_passwords({name: str(text) for name, text in encode(self.versions[-1]).items()})

    def act(self, step: Step) -> None:
        changes = self._find_changes(step)
        if changes:
            keys = {**self.versions[-1], **changes}
            self.versions.append({name: text for name, text in keys.items() if text is not None})
            self.mounts.append(read(self.versions[-1]))

    def _find_changes(self, step: Step) -> dict[str, str | None]:
        match step:
            case steps.PrepareMemberPassword(rotation):
                self.made += 1
                return prepare_member(self.passwords, rotation, lambda _: f"made-{self.made}")
            case steps.AdoptMemberPassword(rotation):
                return adopt_member(self.passwords, rotation)
            case steps.RetireMemberPassword(rotation):
                return retire_member(self.passwords, rotation)
            case _:
                raise TypeError(step)
