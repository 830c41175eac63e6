from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.changes.signed import bare
from bot.errors import Refused, SignalboxError
from bot.terminal import agent
from bot.terminal.keys import signer

MESSAGE = b'{"signalbox":"decision/1"}'


def keygen(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> str:
    """A key pair by OpenSSH's own tool; returns the public half."""
    words = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "me@laptop", "-f", str(path)]
    subprocess.run(words, check=True)
    return Path(f"{path}.pub").read_text().strip()


def fits(public: str, signature: bytes) -> bool:
    """Whether the message was signed by this key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    key = load_ssh_public_key(bare(public).encode())
    assert isinstance(key, Ed25519PublicKey)
    try:
        key.verify(signature, MESSAGE)
    except InvalidSignature:
        return False
    return True


@pytest.fixture
def ssh_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real ssh-agent; its socket's path is kept short, as sockets need it."""
    path = str(tmp_path_factory.mktemp("a") / "s")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while not Path(path).exists() and time.monotonic() < until:
        time.sleep(0.02)
    yield path
    process.terminate()
    process.wait(timeout=10)


def add(ssh_agent: str, key: Path, *options: str) -> None:
    environment = {**os.environ, "SSH_AUTH_SOCK": ssh_agent}
    subprocess.run(["ssh-add", "-q", *options, str(key)], env=environment, check=True)


def test_the_agent_signs_with_the_persons_key(ssh_agent: str, tmp_path: Path) -> None:
    """Among others that it holds, of other people and other kinds, the pinned one is found."""
    mine = keygen(tmp_path / "mine")
    for name, kind in (("other", "ed25519"), ("old", "rsa")):
        keygen(tmp_path / name, kind=kind)
        add(ssh_agent, tmp_path / name)
    add(ssh_agent, tmp_path / "mine")
    absent = keygen(tmp_path / "absent")
    signed = signer((absent, mine), key=None, socket=ssh_agent)(MESSAGE)

    assert signed.key == bare(mine)
    assert fits(mine, signed.signature)


def test_an_agent_without_the_persons_key_is_said_in_words(ssh_agent: str, tmp_path: Path) -> None:
    """How many it holds, and which fingerprint is wanted."""
    mine = keygen(tmp_path / "mine")
    keygen(tmp_path / "other")
    add(ssh_agent, tmp_path / "other")
    with pytest.raises(Refused, match=r"holds 1 key, none of them yours .* SHA256:"):
        signer((mine,), key=None, socket=ssh_agent)


def test_a_locked_agent_is_said_in_words(ssh_agent: str, tmp_path: Path) -> None:
    """A locked agent shows no keys and signs with none."""
    mine = keygen(tmp_path / "mine")
    add(ssh_agent, tmp_path / "mine")
    sign = signer((mine,), key=None, socket=ssh_agent)
    environment = {
        **os.environ,
        "SSH_AUTH_SOCK": ssh_agent,
        "SSH_ASKPASS": "/bin/pwd",
        "SSH_ASKPASS_REQUIRE": "force",
    }
    subprocess.run(["ssh-add", "-x"], env=environment, check=True, capture_output=True)

    with pytest.raises(Refused, match="holds 0 keys"):
        signer((mine,), key=None, socket=ssh_agent)
    with pytest.raises(Refused, match="agent refused"):
        sign(MESSAGE)


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_a_key_file_signs(tmp_path: Path, passphrase: str) -> None:
    """The passphrase is asked for only when there is one."""
    mine = keygen(tmp_path / "mine", passphrase=passphrase)
    asked: list[str] = []

    def ask(words: str) -> str:
        asked.append(words)
        return passphrase

    signed = signer((), key=tmp_path / "mine", socket="", ask=ask)(MESSAGE)

    assert fits(mine, signed.signature)
    assert len(asked) == (1 if passphrase else 0)


def test_what_is_wrong_with_a_key_file_is_said_in_words(tmp_path: Path) -> None:
    """Each mistake by its own name, and what to do."""
    keygen(tmp_path / "locked", passphrase="secret")
    keygen(tmp_path / "old", kind="rsa")
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "empty").touch()
    wrong = {
        "absent": "cannot be read: No such file",
        "": "cannot be read: Is a directory",
        "old": "is not an Ed25519 key",
        "old.pub": "is the public half",
        "text": "no private key",
        "empty": "no private key",
        "locked": "has a passphrase, and there is no terminal",
    }
    for name, told in wrong.items():
        with pytest.raises(Refused, match=told):
            signer((), key=tmp_path / name, socket="")
    with pytest.raises(Refused, match="does not open"):
        signer((), key=tmp_path / "locked", socket="", ask=lambda _: "wrong")


def test_nothing_to_sign_with_is_said_in_words(tmp_path: Path) -> None:
    """No key in the estate, no agent, an agent that is gone."""
    mine = keygen(tmp_path / "mine")
    with pytest.raises(Refused, match="no key of yours"):
        signer((), key=None, socket="/nowhere")
    with pytest.raises(Refused, match="no key to sign with"):
        signer((mine,), key=None, socket="")
    with pytest.raises(Refused, match="no SSH agent at /nowhere"):
        signer((mine,), key=None, socket="/nowhere")
    with pytest.raises(Refused, match="no SSH agent at"):
        signer((mine,), key=None, socket="/x" * 200)


@contextlib.contextmanager
def answering(answer: bytes, *, hold: bool = False) -> Iterator[str]:
    """Somebody at a socket who is no agent: sends these bytes to whoever asks, and hangs up unless told to hold."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="a") as place, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}/s")
        listener.listen(1)
        over = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(answer)
                if hold:
                    over.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"{place}/s"
        finally:
            over.set()
            thread.join(timeout=10)


def framed(body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + body


def test_hostile_lengths_are_refused() -> None:
    """Nothing is allocated or waited for because an answer says that it is long."""
    for answer, told in {
        struct.pack("!I", 2**32 - 1): "4294967295 bytes long",
        struct.pack("!I", 0): "0 bytes long",
        struct.pack("!I", 50) + b"\x0c": "hung up",
        b"": "hung up",
        framed(b"\x0c" + struct.pack("!I", 2**32 - 1)): "shorter than it says",
        framed(b"\x0c" + struct.pack("!II", 1, 2**31)): "shorter than it says",
        framed(b"\x0c"): "shorter than it says",
        framed(b"\x63"): "type 99",
        framed(b"\x05"): "refused",
    }.items():
        with answering(answer) as path, pytest.raises(Refused, match=told):
            agent.keys(path, seconds=2)


def test_a_signature_of_another_kind_or_length_is_refused() -> None:
    """Before anybody is asked to believe it."""
    for inner, told in (
        (framed(b"ssh-rsa") + framed(b"x" * 64), "another kind"),
        (framed(b"ssh-ed25519") + framed(b"x"), "1 bytes"),
    ):
        with answering(framed(b"\x0e" + framed(inner))) as path, pytest.raises(Refused, match=told):
            agent.sign(path, b"key", MESSAGE, seconds=2)


def test_an_agent_that_is_silent_is_given_up_in_time() -> None:
    """The time is for the whole talk, however slowly it drips."""
    began = time.monotonic()
    with answering(struct.pack("!I", 9), hold=True) as path, pytest.raises(Refused, match="no answer within"):
        agent.keys(path, seconds=0.3)
    assert time.monotonic() - began < 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=80))
def test_any_bytes_from_the_agent_end_in_words(body: bytes) -> None:
    """A list of keys or a refusal, never another error."""
    with answering(framed(b"\x0c" + body)) as path, contextlib.suppress(SignalboxError):
        assert isinstance(agent.keys(path, seconds=2), tuple)
