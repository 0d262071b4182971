"""How the operator comes to the shards of one database: with which passwords, and by which authority it knows the servers."""

from collections.abc import Callable
from dataclasses import dataclass
from tempfile import NamedTemporaryFile

from psycopg.conninfo import make_conninfo

from caisson_operator.core.layout import DATABASE, OWNER_ROLE, SUPERUSER
from caisson_operator.effects.key_secrets import read_authority
from caisson_operator.effects.kube import KubeApi, ObjectRef
from caisson_operator.effects.patroni import Member, build_member
from caisson_operator.effects.postgres.sessions import Sessions

from .act_on_shards import ShardActor
from .credentials import Credentials, OperatorPasswords, build_login_password, read_credentials
from .manifests import DatabaseIdentity, ShardNames, authority_name, build_address, credentials_name
from .manifests.binding import SSL_MODE
from .manifests.names import RESTAPI_PORT
from .member_credentials import NOTHING_HELD, MemberPasswords, read_member_passwords

# In the engine's pods: workloads/postgres.
PASSFILE = "/run/caisson/passfile"
AUTHORITY_FILE = "/etc/caisson/certificate/ca.crt"
# An index build on the target blocks its apply for longer than the 3 s within which failover wants to know a dead sender.
SUBSCRIPTION_OPTIONS = "-c wal_sender_timeout=60s"


@dataclass(frozen=True, slots=True)
class Access:
    """As the Secrets have it. `authority` is a certificate in PEM."""

    database: DatabaseIdentity
    credentials: Credentials
    authority: str
    members: MemberPasswords = NOTHING_HELD

    def reach_member(self, shard: str, member: str) -> Member:
        names = ShardNames(self.database.name, shard)
        return build_member(
            member, names.pods, self.database.namespace, RESTAPI_PORT, self.credentials.restapi, self.authority
        )

    def build_actor(self, term: int, on_pause: Callable[[float], None]) -> ShardActor:
        """Its sessions read the authority from a file that lives as long as they do: libpq takes it in no other way."""
        file = NamedTemporaryFile("w", prefix="caisson-", suffix=".crt")  # noqa: SIM115 - kept open by what uses it
        file.write(self.authority)
        file.flush()

        def reach(shard: str, user: str, root: str, **rest: str) -> str:
            address = build_address(self.database, shard)
            return make_conninfo(
                host=address.host,
                port=str(address.port),
                dbname=DATABASE,
                user=user,
                sslmode=SSL_MODE,
                sslrootcert=root,
                **rest,
            )

        def log_in(passwords: OperatorPasswords) -> tuple[Callable[[str], str], Callable[[str], str]]:
            return (
                lambda shard: reach(shard, SUPERUSER, file.name, password=passwords.superuser),
                lambda shard: reach(shard, OWNER_ROLE, file.name, password=passwords.owner),
            )

        now, *others = self.credentials.operators
        sessions = Sessions(*log_in(now), term, [log_in(each) for each in others])
        return ShardActor(
            self.database.name,
            sessions,
            lambda shard: reach(
                shard,
                self.credentials.replication_user,
                AUTHORITY_FILE,
                passfile=PASSFILE,
                options=SUBSCRIPTION_OPTIONS,
            ),
            lambda login: build_login_password(self.credentials, login),
            on_pause,
            find_operator_passwords=self.credentials.of_rotation,
            find_member_roles=self.members.find_roles,
        )


async def read_access(kube: KubeApi, database: DatabaseIdentity) -> Access | None:
    """None while one of the two Secrets is missing."""
    names = (credentials_name(database.name), authority_name(database.name))
    credentials, secret = [await kube.get(ObjectRef("v1", "Secret", database.namespace, name)) for name in names]
    authority = read_authority(secret)
    if credentials is None or authority is None:
        return None
    data = credentials["data"]
    return Access(database, read_credentials(data), authority.certificate, read_member_passwords(data))
