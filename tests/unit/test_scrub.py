from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Rejected
from bot.scrub import learn, scrub, scrubbed, unlearn
from bot.verdict import failed

# Put together here, so that no scanner of sources takes them for real ones.
SLACK = "xo" + "xb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
SECRETS = {
    SLACK: "slack-token",
    "xa" + "pp-1-A0123456789-1234567890123-0123456789abcdef": "slack-token",
    "xo" + "xe.xoxp-1-Mi0yLTEyMzQ1Njc4OTAxMi0": "slack-token",
    "AK" + "IAIOSFODNN7EXAMPLE": "aws-key-id",
    "wJalrXUtnFEMI/K7MDENG/bPx" + "RfiCYEXAMPLEKEY": "aws-secret",
    "ey" + "JhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzYSJ9.c2lnbmF0dXJl": "jwt",
    "gh" + "p_0123456789abcdefghijABCDEFGHIJ012345": "code-token",
    "k8s-aws-v1." + "aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbQ": "cluster-token",
    "-----BEGIN OPENSSH PRIVATE "
    "KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----": "private-key",
}


@pytest.fixture(autouse=True)
def _nothing_learnt() -> Iterator[None]:
    yield
    unlearn()


@pytest.mark.parametrize(("secret", "kind"), SECRETS.items(), ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("around", ["{}", "the token is {} they said", "({}),", 'x="{}"'])
def test_what_has_the_shape_of_a_secret_is_replaced(secret: str, kind: str, around: str) -> None:
    """Keys and tokens go, wherever they stand in a sentence; the words around them stay."""
    told = scrub(around.format(secret))
    assert secret not in told
    assert "[redacted:" in told
    if around != 'x="{}"':
        assert told == around.format(f"[redacted:{kind}]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://bot:hunter2@db:5432/x", "postgresql://[redacted:password]@db:5432/x"),
        ("password=hunter2 and more", "password=[redacted:named] and more"),
        ("PGPASSWORD: hunter2", "PGPASSWORD: [redacted:named]"),
        ('{"client_secret": "abc1defg"}', '{"client_secret": "[redacted:named]"}'),
        ("Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer [redacted:bearer]"),
        ("https://x/y?token=abcdefgh&a=1", "https://x/y?token=[redacted:named]&a=1"),
    ],
)
def test_what_is_called_a_secret_is_replaced(text: str, told: str) -> None:
    """A password, by whatever name it is given, goes."""
    assert scrub(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "failover to us-west-2, the on-call asked: INC-4711",
        "databases.orders.secret: Field required",
        "arn:aws:rds:us-west-2:123456789012:cluster:orders",
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:orders-db-AbC123",
        "apps/v1/namespaces/production/deployments/web/scale",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "the Secret orders-db was not found; token bucket is empty",
        "https://status.example.com/incidents/4711?page=2",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        "run-1/promote/orders/failover",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    """What people and clouds write every day is left as it is."""
    assert scrub(text) == text


@given(st.text(max_size=300))
def test_any_text_can_be_scrubbed_and_twice_is_once(text: str) -> None:
    """Nothing that is typed breaks it, and what was scrubbed once is not changed again."""
    assert scrub(scrub(text)) == scrub(text)


def test_a_line_of_json_stays_one() -> None:
    """A log line from which a secret was taken is still JSON."""
    for secret in SECRETS:
        assert json.loads(scrub(json.dumps({"a": f"x {secret} y", "b": 1})))["b"] == 1


def test_what_this_process_knows_is_found_in_any_words() -> None:
    """A value that was configured here needs no shape; a short one or a plain word is passed over."""
    learn({"correct horse battery": "database-password", "abc": "short", "postgres": "word"})
    said = scrub("it is correct horse battery, abc, postgresql")
    assert said == "it is [redacted:database-password], abc, postgresql"


def test_keys_of_secrets_hide_what_they_hold() -> None:
    """Under the key of a secret nothing is shown, whatever it looks like."""
    assert scrubbed({"password": "x", "list": [{"Session-Token": "y"}], "clientRequestToken": "z"}) == {
        "password": "[redacted:named]",
        "list": [{"Session-Token": "[redacted:named]"}],
        "clientRequestToken": "z",
    }


@pytest.mark.parametrize(
    "said",
    ["-----BEGIN PRIVATE KEY-----", "-eyJaaaaa", "password: ", "a-", "://a:", "token a/", "x-amz-signature="],
)
@pytest.mark.parametrize("end", ["", "!"])
def test_hostile_words_take_no_time(said: str, end: str) -> None:
    """An answer of 64 KB that is made to be slow is looked through in far less than a second."""
    hostile = (said * (65536 // len(said)))[:-1] + end
    began = time.perf_counter()
    scrub(hostile)
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize("after", [" … cut here", "\\\\nMIIB]", "\nMIIB\n-----BEGIN CERTIFICATE-----", "|x"])
def test_a_private_key_without_its_end_goes_too(after: str) -> None:
    """What was cut, or put into text of others, is a key all the same."""
    assert "MIIEvQ" not in scrub("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B" + after)


def test_errors_for_people_hold_no_secret() -> None:
    """The text of an error of ours is scrubbed when it is made, wherever it goes then."""
    assert SLACK not in str(Rejected(f"Slack said {SLACK}", then=f"Use {SLACK}"))


def test_reasons_hold_no_secret() -> None:
    """A verdict may quote what a pod or a server said, and people read it: no secret is in it."""
    assert failed("psql: postgresql://app:hunter2@db/x refused").why == (
        "psql: postgresql://[redacted:password]@db/x refused"
    )
