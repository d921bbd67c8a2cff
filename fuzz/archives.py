"""Damage to the structure of a zip archive: its members, and what its headers say of them."""

from __future__ import annotations

import io
import lzma
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping

from fuzz.mutations import HOSTILE_TEXTS, Mutator, mutate_bytes

CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
CENTRAL_FIELDS = {8: 2, 10: 2, 16: 4, 20: 4, 24: 4, 28: 2, 30: 2, 32: 2, 38: 4, 42: 4}
"""Of a header in the central directory: offset and size of flags, method, CRC, sizes, lengths, attributes, place."""
END_FIELDS = {8: 2, 10: 2, 12: 4, 16: 4, 20: 2}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
DAMAGE = (OSError, ValueError, RuntimeError, EOFError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What zipfile raises on archives that an earlier mutation has damaged; NotImplementedError is a RuntimeError."""
BOMB_BYTES = 10_000_000


def mutate_archive(content: bytes, source: random.Random) -> bytes:
    """Rename, drop, double, empty, swap, repack or inflate a member, or falsify a header."""
    if source.random() < 0.4:
        return _falsified(content, source)
    members = _members(content)
    if not members:
        return mutate_bytes(content, source)
    kind = source.choice(("rename", "drop", "double", "empty", "swap", "repack", "bomb", "add", "nest"))
    place, other = source.randrange(len(members)), source.randrange(len(members))
    name, data = members[place]
    match kind:
        case "rename":
            renamed = source.choice((*HOSTILE_TEXTS, name.upper(), f"../{name}", f"{name}/", members[other][0]))
            members[place] = renamed, data
        case "drop":
            del members[place]
        case "double":
            members.insert(other, (name, mutate_bytes(data, source)))
        case "empty":
            members[place] = name, b""
        case "swap":
            members[place], members[other] = (name, members[other][1]), (members[other][0], data)
        case "bomb":
            members[place] = name, data + bytes(source.choice((1000, 1000, 1000, BOMB_BYTES)))
        case "add":
            members.append((source.choice(HOSTILE_TEXTS), data))
        case "nest":
            members[place] = name, content
        case _:  # repack
            pass
    return _archive(members, source.choice(METHODS))


def on_member(mutators: Mapping[str, Mutator], only: str = "") -> Mutator:
    """Return the damage to one member, by the mutator for the end of its name; of those whose names end in `only`."""

    def mutate(content: bytes, source: random.Random) -> bytes:
        members = _members(content)
        if not members:
            return mutate_bytes(content, source)
        places = [place for place, (name, _) in enumerate(members) if name.endswith(only)]
        place = source.choice(places or range(len(members)))
        name, data = members[place]
        mutator = next((mutators[end] for end in mutators if name.endswith(end)), mutate_bytes)
        members[place] = name, mutator(data, source)
        return _archive(members, zipfile.ZIP_STORED)

    return mutate


def _members(content: bytes) -> list[tuple[str, bytes]]:
    """Return names and contents; none where the archive is damaged already."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > BOMB_BYTES:
                return []
            return [(info.filename, archive.read(info)) for info in infos]
    except DAMAGE:
        return []


def _archive(members: list[tuple[str, bytes]], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, warnings.catch_warnings(action="ignore"):
        for name, data in members:
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.compress_type = method
            archive.writestr(info, data)
    return buffer.getvalue()


def _falsified(content: bytes, source: random.Random) -> bytes:
    """Return an archive one of whose headers' fields holds another number."""
    signature, fields = source.choice(((CENTRAL, CENTRAL_FIELDS), (CENTRAL, CENTRAL_FIELDS), (END, END_FIELDS)))
    places = [k for k in range(len(content)) if content.startswith(signature, k)] if len(content) < 1 << 20 else []
    if not places:
        return mutate_bytes(content, source)
    offset, size = source.choice(list(fields.items()))
    place = source.choice(places) + offset
    number = source.choice((0, 1, 2 ** (8 * size) - 1, source.getrandbits(8 * size), 12, 14, 93, 99))
    return content[:place] + number.to_bytes(size, "little") + content[place + size :]
