"""Mutations of bytes: of any file, of archives (zip), of tensors' files (npy, safetensors)."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence

from benchmarks.fuzzing import trees

LIES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
"""Numbers that overwrite sizes and counts."""
MAX_CUT_BYTES = 64

Mutation = Callable[[random.Random, bytes], bytes]


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Bytes that differ in one to four places."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = rng.choice(_WAYS)(rng, content)
    return content


def _flipped(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[_place(rng, changed)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _lied(rng: random.Random, content: bytes) -> bytes:
    """A number of 1 to 8 bytes overwritten, more often near headers."""
    size = rng.choice((1, 2, 4, 8))
    at = _place(rng, content)
    number: int = rng.choice(LIES) % 2 ** (8 * size)
    return content[:at] + number.to_bytes(size, rng.choice(("little", "big"))) + content[at + size :]


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _without(rng: random.Random, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + content[at + rng.randint(1, MAX_CUT_BYTES) :]


def _doubled(rng: random.Random, content: bytes) -> bytes:
    at = _place(rng, content)
    chunk = content[at : at + rng.randint(1, MAX_CUT_BYTES)]
    return content[:at] + chunk * rng.choice((2, 3, 100)) + content[at:]


def _inserted(rng: random.Random, content: bytes) -> bytes:
    at = _place(rng, content)
    chunks = (b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\xed\xa0\x80", b"\x1b[2J", rng.randbytes(8))
    return content[:at] + rng.choice(chunks) + content[at:]


def _zeroed(rng: random.Random, content: bytes) -> bytes:
    at = _place(rng, content)
    size = rng.randint(1, MAX_CUT_BYTES)
    return content[:at] + bytes(len(content[at : at + size])) + content[at + size :]


_WAYS: Sequence[Mutation] = (_flipped, _flipped, _lied, _lied, _cut, _without, _doubled, _inserted, _zeroed)


def _place(rng: random.Random, content: bytes | bytearray) -> int:
    """Anywhere, but more often at either end, where formats describe their content."""
    if not content:
        return 0
    size = len(content)
    edge = min(256, size)
    return rng.choice((rng.randrange(size), rng.randrange(edge), size - 1 - rng.randrange(edge)))


def zip_mutated(rng: random.Random, content: bytes, member: Mutation = mutated) -> bytes:
    """An archive with a member changed, renamed, dropped or duplicated, and otherwise valid; or its bytes changed."""
    if rng.random() < 0.25:
        return mutated(rng, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    index = rng.randrange(len(members))
    name, inner = members[index]
    mutation = rng.randrange(8)
    if mutation == 0:
        del members[index]
    elif mutation == 1:
        members.insert(index, (rng.choice((name, "x", "../x", "a" * 300)), inner))
    elif mutation == 2:
        members[index] = (rng.choice((name + "x", "", name.upper(), members[0][0])), inner)
    elif mutation == 3:
        members[index] = (name, rng.choice((b"", members[rng.randrange(len(members))][1], b"\x93NUMPY")))
    else:
        members[index] = (name, member(rng, inner))
    return zipped(members)


def zipped(members: Sequence[tuple[str, bytes]]) -> bytes:
    """An archive, not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may occur there twice
        for name, inner in members:
            archive.writestr(zipfile.ZipInfo(name[:60_000]), inner)
    return out.getvalue()


def npy_mutated(rng: random.Random, content: bytes) -> bytes:
    """An array's file whose header is wrong, or whose bytes are changed."""
    if rng.random() < 0.3 or not content.startswith(b"\x93NUMPY\x01"):
        return mutated(rng, content)
    size = int.from_bytes(content[8:10], "little")
    header, data = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    replacements = (
        ("'descr': '", "'descr': '" + rng.choice(("|O", "<U9", ">i8", "|b1", "<f2", "<c16", "<M8[s]", "|V0", ""))),
        ("'shape': (", "'shape': (" + rng.choice(("", "0, ", "-1, ", "9999999999, ", "2**9, ", "'a', ", "None, "))),
        ("False", rng.choice(("True", "1", "", "[", "False, 'x': 1"))),
        ("{", rng.choice(("", "{{", "(", "{'a': 1, ", "[" * 300))),
    )
    old, new = rng.choice(replacements)
    changed = header.replace(old, new, 1).rstrip() + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(changed) % 65536) + changed.encode("latin-1") + data


def safetensors_mutated(rng: random.Random, content: bytes) -> bytes:
    """A file of tensors whose header is wrong, or whose bytes are changed."""
    if rng.random() < 0.3:
        return mutated(rng, content)
    size = int.from_bytes(content[:8], "little")
    header = trees.parse(json.loads(content[8 : 8 + size]))
    changed = trees.to_json(trees.mutated(rng, header)).encode("utf-8", "surrogatepass")
    length = rng.choice((len(changed), len(changed), len(changed), len(changed) + 1, 0, 2**63))
    return struct.pack("<Q", length) + changed + content[8 + size :]
