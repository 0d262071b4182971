"""What is hidden, what is left readable, and that structure survives."""

import json
from typing import Any

import pytest

from kubectl_caisson.report.redaction import redact, redact_text

PW = "hunter2-Xy"


@pytest.mark.parametrize(
    "text",
    [
        f"password={PW}",
        f"password = '{PW} with blanks'",
        f"PASSWORD: {PW}",
        f"host=s0 user=app password={PW} dbname=x",
        f"CREATE ROLE app PASSWORD '{PW}'",
        f"ALTER ROLE app WITH PASSWORD 'it''s {PW}'",
        f"postgres://app:{PW}@s0:5432/db",
        f"postgresql+psycopg://app:p@ss/{PW}@s0/db?x=1",
        f"postgres://s0/db?user=app&password={PW}",
        f"https://{PW}@example.org/x",
        f"redis://:{PW}@cache:6379/0",
        f"Authorization: Bearer {PW}{PW}",
        f"Authorization: Basic {PW}",
        f"curl -H 'authorization: {PW}'",
        f"sent bearer {PW}{PW}",
        f"DB_PASS={PW}",
        f"export PGPASSWORD={PW}",
        f'"api_key": "{PW}"',
        f"{{'password': '{PW}', 'user': 'app'}}",
        f'{{"outer": "{{\\"password\\": \\"{PW}\\"}}"}}',
        f'{{"a": "b" \\\\\\"password\\\\\\": \\\\\\"{PW}\\\\\\"}}',
        f'password=ab"{PW}',
        f"password=a,b;c&d|e)f]{PW}",
        f"connecting to app:{PW}@s0:5432/db",
        f'text before {{"password": "{PW}"}} and after',
        f"client-secret: {PW}",
        f"AccountKey={PW}==;EndpointSuffix=x",
        f"token => {PW}",
        f"member --restapi-password {PW} --port 8008",
        f"s0:5432:*:replicator:{PW}",
        f"*:*:*:replicator:{PW}".replace("*:*:*", "h:*:*"),
        f"SCRAM-SHA-256$4096:{PW}$abc:def",
        f"eyJhbGciOiJSUzI1NiJ9.{PW}.{PW}",
        f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{PW}\nabc\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\nMIIE{PW}\ncut off",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    hidden = redact_text(text)
    assert PW not in hidden
    assert "***" in hidden


def test_the_end_of_a_key_whose_beginning_was_cut_off_is_hidden() -> None:
    assert "MIIEabc" not in redact_text("MIIEabc+/\nMIIEabc==\n-----END PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    "value",
    [
        {"name": "PGPASSWORD", "value": PW},
        {"name": "SIGNING_KEY", "value": PW},
        {"name": "DATABASE_DSN", "value": PW},
        {"env": [{"name": "URL", "value": f"postgres://app:{PW}@s0/db"}]},
        {"password": PW},
        {"clientSecret": PW},
        {"tokens": [PW, PW]},
        {"annotations": {"example.org/api-token": PW}},
        {"args": ["--user", "app", "--password", PW]},
        {"command": ["sh", "-c", f"exec member --password={PW}"]},
        {"last-applied": json.dumps({"spec": {"env": [{"name": "DB_PASSWORD", "value": PW}]}})},
        {"message": f'{{"event": "refused", "error": "password={PW}"}}'},
    ],
)
def test_a_secret_in_a_structure_is_hidden(value: dict[str, Any]) -> None:
    hidden = json.dumps(redact(value))
    assert PW not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    "value",
    [
        {"volumes": [{"name": "credentials", "secret": {"secretName": "flights-credentials", "defaultMode": 256}}]},
        {"valueFrom": {"secretKeyRef": {"name": "flights-credentials", "key": "app"}}},
        {"automountServiceAccountToken": False, "serviceAccountName": "flights-s0"},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"name": "PATRONI_SCOPE", "value": "flights-s0"},
        {"conditions": [{"type": "Ready", "status": "True", "message": "2 shards take reads and writes"}]},
        {"image": "registry.example:5000/caisson/postgres:15@sha256:0123456789abcdef"},
        {"ports": [5432, 8008], "hostIP": "10.0.0.1", "tokenless": None},
    ],
)
def test_what_a_pod_cannot_be_understood_without_stays(value: dict[str, Any]) -> None:
    assert redact(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25 08:44:23 UTC [12]: LOG:  checkpoint complete: wrote 3 buffers",
        "INFO: no action. I am (flights-s0-0), the leader with the lock",
        "http://127.0.0.1:8008/patroni answered 200",
        'MountVolume.SetUp failed for volume "data": not found',
        "password authentication failed for user app",
    ],
)
def test_an_ordinary_line_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_a_line_of_json_stays_json_and_keeps_its_other_fields() -> None:
    lines = f'{{"event": "step_failed", "error": "password={PW}"}}\nplain password={PW}\n{{"event": "fine"}}\n'
    first, second, third, rest = redact_text(lines).split("\n")
    assert json.loads(first) == {"event": "step_failed", "error": "password=***"}
    assert second == "plain password=***"
    assert json.loads(third) == {"event": "fine"}
    assert rest == ""


def test_what_was_hidden_already_is_left_as_it_is() -> None:
    once = redact_text(f"password={PW} postgres://app:{PW}@s0/db")
    assert redact_text(once) == once
