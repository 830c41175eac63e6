from __future__ import annotations

import threading
import time

import pytest
from aws_account import EAST, WEST, Account
from botocore.exceptions import BotoCoreError


def test_stop_ends_what_hangs() -> None:
    """Stopping does not wait for calls that hang."""
    account = Account(hang=60)
    account.faults.add("region-dark", region=EAST)
    outcome: list[Exception] = []

    def ask() -> None:
        try:
            account.client("rds", EAST).describe_global_clusters()
        except BotoCoreError as error:
            outcome.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    account.await_connection()
    began = time.monotonic()
    account.close()
    asking.join(10)

    assert time.monotonic() - began < 4
    assert outcome


def test_each_start_is_a_new_account() -> None:
    """Nothing of one stand-in is left in the next."""
    first = Account()
    first.client("s3").put_object(Bucket="signalbox-trail", Key="left", Body=b"x")
    first.close()

    second = Account()
    try:
        assert not second.aws.object_exists("signalbox-trail", "left")
        assert first.ids["zone_id"] != second.ids["zone_id"]
    finally:
        second.close()


def test_only_loopback_is_served() -> None:
    """The endpoint is on 127.0.0.1 and gone after the stop."""
    account = Account(seeded=False)
    assert account.url.startswith("http://127.0.0.1:")
    account.close()

    with pytest.raises(BotoCoreError):
        account.client("sts", WEST).get_caller_identity()
