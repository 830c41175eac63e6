"""A second verifier of Signalbox' trail, written from docs/trail-format.md alone: it imports nothing of it.

    python tests/tiny_verifier.py PACK.zip|DIRECTORY [VKEY …]

DIRECTORY is a copy of one origin of the archive (entries/, checkpoints/, keys/). Exit code: 0 verified, 1 tampered,
2 incomplete, 3 neither a pack nor a directory of the trail. The given keys are the only ones trusted to begin with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key


# fmt: off
def need(good, words):
    if not good:
        raise ValueError(words)
def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def b64(text):
    return base64.b64decode(text, validate=True)
def compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

class Key:
    def __init__(self, vkey):
        self.text = vkey.strip()
        self.name, found, blob = self.text.split("+", 2)
        self.kind, self.public = b64(blob)[0], b64(blob)[1:]
        full = self.public if self.kind == 2 else self.name.encode() + b"\n" + b64(blob)
        self.id = sha(full)[:4]
        need(self.id.hex() == found and self.kind in (1, 2), "a key has another id than it says")
    def signed(self, message, signature):
        try:
            if self.kind == 1:
                ed25519.Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                load_der_public_key(self.public).verify(signature, message, ec.ECDSA(hashes.SHA256()))
            return True
        except InvalidSignature:
            return False
    def signs(self, note):
        """Whether one of the note's lines is this key's."""
        text, _, lines = note.rpartition(b"\n\n")
        for line in lines.decode().split("\n")[:-1]:
            name, _, blob = line.removeprefix("— ").partition(" ")
            if name == self.name and b64(blob)[:4] == self.id:
                return self.signed(text + b"\n", b64(blob)[4:])
        return False
def strict(raw):
    def once(pairs):
        need(len(dict(pairs)) == len(pairs), "a key twice")
        return dict(pairs)
    def whole(text):
        need(re.fullmatch(r"-?[0-9]{1,16}", text) and abs(int(text)) < 2**53, f"the number {text}")
        return int(text)
    value = json.loads(raw.decode(), object_pairs_hook=once, parse_int=whole, parse_float=whole, parse_constant=whole)
    need(isinstance(value, dict) and compact(value) == raw, "not canonical")
    return value
class Tree:
    def __init__(self, size=0, roots=()):
        self.size, self.roots = size, list(roots)
        need(len(self.roots) == size.bit_count(), "a wrong frontier")
    def add(self, leaf):
        size = self.size
        while size & 1:
            leaf, size = sha(b"\x01", self.roots.pop(), leaf), size >> 1
        self.roots.append(leaf)
        self.size += 1
    def root(self):
        found = self.roots[-1] if self.roots else sha()
        for left in self.roots[-2::-1]:
            found = sha(b"\x01", left, found)
        return found

class Sense:
    def __init__(self, since):
        self.since, self.asker, self.asked, self.votes, self.approved = since, {}, {}, {}, {}
        self.runs, self.calls = set(), set()
    def read(self, record):
        name, un = record["api"]["operation"], record["unmapped"]
        change, run, detail, said = un["change"]["uid"], un["change"]["run"], un["detail"], un.get("approval", {})
        who, about = record["actor"]["user"]["uid"], said.get("decision")
        if name == "change:plan:proposed":
            self.asker[change] = who
        elif self.since and change not in self.asker:
            return
        elif name == "decision:question:opened" and said:
            self.asked[about] = said
        elif name == "decision:vote:cast" and said.get("choice") == "approve":
            need(who != self.asker.get(change), "somebody approved what they asked for")
            self.votes.setdefault(about, set()).add(who)
        elif name == "decision:question:decided" and said.get("outcome") == "approve":
            self.approved[about] = said["digest"]
        elif name == "decision:glass:broken":
            self.approved[about], self.asked[about] = said["digest"], {**self.asked[about], "quorum": 0}
        elif name == "run:plan:started":
            same = self.approved.get(about) == detail["digest"] == self.asked[about]["digest"]
            need(same and len(self.votes.get(about, ())) >= self.asked[about]["quorum"], "a run nobody approved")
            self.runs.add(run)
        elif name == "call:outside:intent":
            need(run in self.runs, "a call of no run")
            self.calls.add(detail["intent"])
        elif name == "call:outside:outcome":
            need(detail["intent"] in self.calls, "an outcome of no call")

def files_of(path):
    if path.is_dir():
        return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    with zipfile.ZipFile(path) as pack:
        names = [one.filename for one in pack.infolist()]
        need(len(set(names)) == len(names) and sum(o.file_size for o in pack.infolist()) < 2**28, "a hostile ZIP")
        files = {name: pack.read(name) for name in names}
    need("manifest.json" in files and "manifest.sig" in files, "no signed manifest")
    listed = strict(files["manifest.json"])["files"]
    there = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items() if not name.startswith("manifest.")}
    need(listed == there, "files are not those of the manifest")
    return files

def verify(path, pinned=()):
    files, is_pack = files_of(path), not path.is_dir()
    trail = {name.removeprefix("trail/"): raw for name, raw in files.items()}
    start = json.loads(trail.get("start.json", b'{"size":0,"frontier":[],"leaf":""}'))
    tree = Tree(start["size"], map(bytes.fromhex, start["frontier"]))
    points = {int(name[12:]): raw for name, raw in trail.items() if name.startswith("checkpoints/")}
    given = {key.text: key for key in (Key(raw.decode()) for n, raw in trail.items() if n.startswith("keys/"))}
    prev, last, chain, signers = bytes.fromhex(start["leaf"]) or sha(), 0, None, []
    manifest = strict(files["manifest.json"]) if is_pack else {}
    sense, origin, covered, trusted = Sense(tree.size), None, tree.size, [Key(one) for one in pinned]
    def check():
        nonlocal origin
        note = points.pop(tree.size)
        named, size, root = note.partition(b"\n\n")[0].decode().split("\n")
        need(size == str(tree.size) and b64(root) == tree.root(), f"another root over {tree.size} rows")
        if not signers:  # a pack that begins later: the row that named the key is not in it
            signers.extend(key for key in given.values() if key.signs(note))
        need(signers and signers[-1].signs(note), f"the checkpoint over {tree.size} rows is not signed by its key")
        need(re.sub(r"/r[1-9][0-9]*$", "", named) == (chain or manifest["chain"]), "a checkpoint of another log")
        need(origin is None or named == origin, "the origin changed without a recovery")
        origin = named
    if tree.size:
        check()
    for name in sorted(one for one in trail if one.startswith("entries/")):
        first, end = map(int, re.fullmatch(r"entries/(\d{20})-(\d{20})\.jsonl", name).groups())
        lines = trail[name].split(b"\n")
        need(first == tree.size and len(lines) == end - first + 2 and lines.pop() == b"", f"{name} is not those rows")
        for raw in lines:
            record = strict(raw)
            chain = chain or record["chain_uid"]
            need((record["seq"], record["prev"]) == (tree.size, prev.hex()), f"row {tree.size} does not follow")
            need(record["time"] >= last and record["chain_uid"] == chain, f"row {tree.size}: its time or its log")
            prev, last = sha(b"\x00", raw), record["time"]
            tree.add(prev)
            what, told = record["api"]["operation"], record["unmapped"]["detail"]
            if what.startswith("trail:key:"):
                key, now = Key(told["key"]), signers[-1] if signers else given.get(told.get("before"))
                said = {"signalbox": "key/1", "chain": chain, "before": told.get("before"), "key": key.text}
                vouched = what == "trail:key:introduced" and now is None
                if "signature" in told and now.text == told["before"]:
                    vouched = now.signed(compact(said), bytes.fromhex(told["signature"]))
                need(vouched or key.text in [one.text for one in [*signers[-1:], *trusted]], "an unvouched key")
                signers.append(key)
            elif what == "trail:log:recovered":
                origin = told["origin"]
            sense.read(record)
            if tree.size in points:
                check()
                covered = tree.size
    need(not points, f"{max(points, default=0)} rows were signed, {tree.size} are here")
    need(not trusted or {one.text for one in trusted} & {one.text for one in signers}, "other keys")
    if is_pack:
        digest = base64.b64encode(hashlib.sha256(files["manifest.json"]).digest()).decode()
        text = f"signalbox/pack\n{chain}\n{digest}\n\n".encode()
        by = [key for key in [*signers, *given.values(), *trusted] if key.signs(files["manifest.sig"])]
        need(by and files["manifest.sig"].startswith(text), "the manifest is not signed")
    return 0 if tree.size and covered == tree.size else 2

def main(words):
    try:
        code = verify(Path(words[0]), words[1:])
        print("Verified." if code == 0 else "Incomplete: no signature covers the newest rows.")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        code = print(f"NOT verified: {error}") or 1
    except (OSError, IndexError, zipfile.BadZipFile) as error:
        code = print(f"It cannot be read: {error}") or 3
    return code

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
