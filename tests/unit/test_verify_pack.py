"""Packs: what a stranger may hand to the verifier, and that a second verifier says the same of all of them."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signed_logs import Log, MemoryBucket, pack_files, pair, rechained, sealed, ship, zipped

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny_verifier

from bot.trail.event import Event, Name
from bot.trail.verify import Unreadable, verify_pack


@pytest.fixture
def log() -> Log:
    """Three checkpoints, one key after another."""
    made = Log()
    made.change("a", "U2", "U3")
    made.seal()
    made.wait(60)
    made.rotate(pair(2))
    made.beat(2)
    made.seal()
    made.change("b", "U2", "U3")
    made.seal()
    return made


def files(log: Log, first: int = 0) -> dict[str, bytes]:
    return sealed(log, pack_files(log, first), complete=False)


@pytest.mark.parametrize("later", [False, True])
def test_an_honest_pack_is_verified_by_both(log: Log, tmp_path: Path, later: bool) -> None:
    """From the log's beginning, or from a checkpoint in its middle."""
    path = zipped(files(log, log.points[0][1] if later else 0), tmp_path / "pack.zip")
    report = verify_pack(path, pinned=[str(log.signer.public)])
    assert (report.exit_code, report.findings, report.gaps) == (0, [], [])
    assert tiny_verifier.main([str(path), str(log.signer.public)]) == 0


def test_a_kept_checkpoint_that_is_newer_than_a_pack_is_no_finding(log: Log, tmp_path: Path) -> None:
    """Last year's pack, held against what was kept last week: that the log went on is no tampering."""
    path = zipped(files(log), tmp_path / "pack.zip")
    for known in (log.points[0][2], log.points[-1][2]):
        assert verify_pack(path, known=known).exit_code == 0
    log.wait(60)
    log.beat(5)
    log.seal()
    report = verify_pack(path, known=log.points[-1][2])
    assert (report.exit_code, report.findings) == (2, [])
    assert "newer than the last row here" in report.gaps[0]


def test_an_origin_with_a_number_too_long_to_be_one_is_a_finding(log: Log, tmp_path: Path) -> None:
    """Python refuses to read more than 4300 digits: that must not end in "unreadable"."""
    inner = files(log)
    name = max(name for name in inner if name.startswith("trail/checkpoints/"))
    inner[name] = b"signalbox/test/r" + b"9" * 6000 + inner[name][inner[name].index(b"\n") :]
    report = verify_pack(zipped(sealed(log, inner), tmp_path / "pack.zip"))
    assert report.exit_code == 1
    assert "other-log" in {one.code for one in report.findings}


Edit = Callable[[Log, dict[str, bytes]], dict[str, bytes]]


def rows_changed(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    name = next(name for name in inner if name.startswith("trail/entries/"))
    return sealed(log, inner | {name: inner[name].replace(b'"signalbox"', b'"signalbax"', 1)})


def rewritten(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    """Rows altered and linked anew; the checkpoints are the old ones."""
    forged = log.copy()
    forged.bodies = rechained(forged.bodies, lambda all_of: all_of[3].update(severity_id=3))
    return sealed(log, pack_files(forged))


def without(part: str) -> Edit:
    def edit(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
        return sealed(log, {name: raw for name, raw in inner.items() if not name.startswith(part)})

    return edit


def newest_gone(part: str) -> Edit:
    def edit(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
        gone = max(name for name in inner if name.startswith(part))
        return sealed(log, {name: raw for name, raw in inner.items() if name != gone})

    return edit


def saying(*events: Event) -> Edit:
    def edit(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
        log.write(*events)
        log.seal()
        return sealed(log, pack_files(log))

    return edit


def said_twice(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    """The newest row in other bytes, signed with the log's own key."""
    log.beat()
    log.bodies[-1] = log.bodies[-1].replace(b'"seq"', b'"seq":1,"seq"', 1)
    log.seal()
    return sealed(log, pack_files(log))


def with_fraction(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    log.beat()
    log.bodies[-1] = log.bodies[-1].replace(b'"n":0', b'"n":0.5', 1)
    log.seal()
    return sealed(log, pack_files(log))


def with_unvouched_key(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    log.signer = pair(9)
    log.introduce()
    log.seal()
    return sealed(log, pack_files(log))


def backdated(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    log.bodies = rechained(log.bodies, lambda all_of: all_of[4].update(time=1))
    log.resign()
    return sealed(log, pack_files(log))


def of_other_log(log: Log, inner: dict[str, bytes]) -> dict[str, bytes]:
    log.bodies = rechained(log.bodies, lambda all_of: all_of[4].update(chain_uid="signalbox/other"))
    log.resign()
    return sealed(log, pack_files(log))


TAMPERED: dict[str, tuple[Edit, int, str]] = {
    "a file altered": (lambda log, inner: sealed(log, inner) | {"README-auditor.md": b"no"}, 1, "file-altered"),
    "a file more": (lambda log, inner: sealed(log, inner) | {"more.txt": b""}, 1, "file-extra"),
    "not signed": (lambda log, inner: sealed(log, inner) | {"manifest.sig": b""}, 1, "manifest-not-signed"),
    "signed by another": (lambda log, inner: sealed(log, inner, signer=pair(9)), 1, "manifest-not-signed"),
    "a row altered": (rows_changed, 1, "broken-link"),
    "rows written anew": (rewritten, 1, "root-differs"),
    "newest rows gone": (newest_gone("trail/entries/"), 1, "cut-off"),
    "first rows gone": (without(f"trail/entries/{0:020d}"), 1, "gap"),
    "no checkpoints": (without("trail/checkpoints/"), 2, ""),
    "newest checkpoint gone": (newest_gone("trail/checkpoints/"), 2, ""),
    "no start": (without("trail/start.json"), 1, "pack-damaged"),
    "a key twice": (said_twice, 1, "not-canonical"),
    "a fraction": (with_fraction, 1, "not-canonical"),
    "a key nobody vouches for": (with_unvouched_key, 1, "key-not-vouched"),
    "backdated": (backdated, 1, "backdated"),
    "another log": (of_other_log, 1, "other-chain"),
    "a call of no run": (saying(Event(name=Name.CALL_INTENT, run="x", detail={"intent": "i"})), 1, "call-without-run"),
    "an outcome of no call": (
        saying(Event(name=Name.CALL_OUTCOME, run="x", detail={"intent": "i"})), 1, "outcome-without-intent",
    ),
    "a run of no approval": (
        saying(Event(name=Name.RUN_STARTED, change="z", run="x", detail={"digest": "q"}, approval={"decision": "n"})),
        1, "run-without-approval",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_both_verifiers_say_the_same_of_a_tampered_pack(
    log: Log, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours by its code; the tiny one, written from the description alone, with the same exit code."""
    edit, exit_code, code = TAMPERED[name]
    path = zipped(edit(log, pack_files(log)), tmp_path / "pack.zip")
    report = verify_pack(path)
    assert (report.exit_code, code in {found.code for found in report.findings} or not code) == (
        exit_code,
        True,
    ), report.findings
    if name != "no start":  # without it the tiny one takes a pack for a whole log
        assert tiny_verifier.main([str(path)]) == exit_code, capsys.readouterr().out


def laid_out(log: Log, place: Path) -> Path:
    """A copy of the archive's objects in a directory."""
    bucket = MemoryBucket()
    ship(log, bucket)
    for one in bucket.kept:
        path = place / one.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.body)
    return place / log.origin


def test_the_tiny_verifier_reads_a_copy_of_the_archive(log: Log, tmp_path: Path) -> None:
    """Honest, with a row altered, with the newest rows gone, with another key given, and what is none."""
    place = laid_out(log, tmp_path)
    assert tiny_verifier.main([str(place)]) == 0
    assert tiny_verifier.main([str(place), str(pair(5).public)]) == 1
    name = max((place / "entries").iterdir())
    kept = name.read_bytes()
    name.write_bytes(kept.replace(b'"signalbox"', b'"signalbax"', 1))
    assert tiny_verifier.main([str(place)]) == 1
    name.unlink()
    assert tiny_verifier.main([str(place)]) == 1
    assert tiny_verifier.main([str(tmp_path / "nothing")]) == 3
    (tmp_path / "plain").write_bytes(b"plain")
    assert tiny_verifier.main([str(tmp_path / "plain")]) == 3


def test_the_tiny_verifier_is_small_and_stands_alone() -> None:
    """At most 200 lines, and nothing of the bot."""
    text = Path(tiny_verifier.__file__ or "").read_text()
    assert text.count("\n") <= 200
    assert "import bot" not in text
    assert "from bot" not in text


def raw_zip(*members: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as pack:
        for info, raw in members:
            info.compress_type = zipfile.ZIP_DEFLATED
            pack.writestr(info, raw)
    return made.getvalue()


def member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def patched(raw: bytes, at: int, form: str, value: int) -> bytes:
    """A field of the first entry of the central directory set to another value."""
    start = raw.index(b"PK\x01\x02") + at
    return raw[:start] + struct.pack(form, value) + raw[start + struct.calcsize(form) :]


PLAIN = raw_zip((member("manifest.json"), b"{}"))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "absolute": (raw_zip((member("/etc/passwd"), b"x")), "pack-path"),
    "upwards": (raw_zip((member("../../outside"), b"x")), "pack-path"),
    "in the middle": (raw_zip((member("a/../../outside"), b"x")), "pack-path"),
    "backslash": (raw_zip((member("..\\outside"), b"x")), "pack-path"),
    "drive": (raw_zip((member("C:/outside"), b"x")), "pack-path"),
    "a directory": (raw_zip((member("trail/"), b"")), "pack-path"),
    "control": (raw_zip((member("a\nb"), b"x")), "pack-path"),
    "link": (raw_zip((member("link", 0o120777), b"/etc/passwd")), "pack-link"),
    "device": (raw_zip((member("device", 0o020666), b"")), "pack-link"),
    "bomb": (raw_zip((member("manifest.json"), b"0" * 30_000_000)), "pack-bomb"),
    "declared": (patched(PLAIN, 24, "<L", 4_000_000_000), "pack-bomb"),
    "lying about its size": (patched(PLAIN, 24, "<L", 1), "pack-damaged"),
    "lying the other way": (patched(PLAIN, 24, "<L", 9), "pack-damaged"),
    "encrypted": (patched(PLAIN, 8, "<H", 1), "pack-encrypted"),
    "unknown method": (patched(PLAIN, 10, "<H", 14), "pack-method"),
    "bytes in front": (b"MZ" + PLAIN, "pack-hidden"),
    "a comment": (PLAIN[:-2] + b"\x04\x00evil", "pack-hidden"),
    "no manifest": (raw_zip((member("a"), b"x")), "pack-damaged"),
    "an empty manifest": (PLAIN, "pack-damaged"),
    "a deep manifest": (raw_zip((member("manifest.json"), b"[" * 50_000)), "pack-damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pack_is_a_finding_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Path tricks, bombs, links, encryption, bytes of no file: each by its code."""
    raw, code = HOSTILE[name]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "pack.zip"
    path.write_bytes(raw)
    (tmp_path / "in" / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "in" / "cwd")
    report = verify_pack(path)
    assert code in {found.code for found in report.findings}, report.findings
    assert report.exit_code == 1
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["cwd", "in", "pack.zip"]


def test_two_files_of_one_name_are_found(tmp_path: Path) -> None:
    """The one that is read would not be the one that was signed for."""
    path = tmp_path / "pack.zip"
    with pytest.warns(UserWarning, match="Duplicate"):
        path.write_bytes(raw_zip((member("a"), b"x"), (member("a"), b"y")))
    assert "pack-duplicate" in {found.code for found in verify_pack(path).findings}


@pytest.mark.parametrize(
    "raw", [b"", b"PK", b"not a zip", PLAIN[:-5], PLAIN[: len(PLAIN) // 2], b"PK\x05\x06" + b"\xff" * 18]
)
def test_what_is_no_zip_cannot_be_read(tmp_path: Path, raw: bytes) -> None:
    """It is said, with no stack trace."""
    path = tmp_path / "pack.zip"
    path.write_bytes(raw)
    with pytest.raises(Unreadable, match=r"is no pack|cannot be read"):
        verify_pack(path)
    with pytest.raises(Unreadable):
        verify_pack(tmp_path)


HONEST = Log()
HONEST.change("a", "U2", "U3")
HONEST.seal()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_spoiled_byte_makes_the_verifier_fall_over_or_agree(tmp_path: Path, data: st.DataObject) -> None:
    """Any byte of a pack changed, or the file cut anywhere: a finding, or no pack; never verified as it was."""
    path = zipped(files(HONEST), tmp_path / "pack.zip")
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        report = verify_pack(path)
    except Unreadable:
        return
    if (
        report.exit_code == 0
    ):  # a byte that says nothing, such as a date: what was verified is what was signed
        with zipfile.ZipFile(path) as pack:
            assert {name: pack.read(name) for name in pack.namelist()} == files(HONEST)
