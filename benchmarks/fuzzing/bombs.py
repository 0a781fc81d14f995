"""Small files that claim or unpack to gigabytes, and documents on which a careless reader never ends."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from PIL import Image

from benchmarks.fuzzing.corpus import SPACE


def bombs(folder: Path) -> None:
    """Write them into a folder, which is created."""
    folder.mkdir(parents=True)
    merges = "\n".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 11))
    (folder / "merges.yaml").write_text("a0: &a0 {k: {mean: 1}}\n" + merges + "\n")
    aliases = "\n".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]" for n in range(1, 11))
    (folder / "aliases.yaml").write_text("b0: &b0 [x]\n" + aliases + "\n")
    values = ", ".join(str(number) for number in range(1, 1001))
    candidate = f'{{ kind = "mbconv", out_channels = [{values}], kernel = [{values}], expansion = [{values}] }}'
    (folder / "products.toml").write_text(SPACE.replace('{ kind = "pool" }', candidate))
    (folder / "digits.toml").write_text(f"value = {'9' * 100_000}\n")
    (folder / "dotted.toml").write_text("a." * 20_000 + "b = 1\n")
    (folder / "deep.json").write_text("[" * 200_000 + "]" * 200_000)
    (folder / "deep_object.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    (folder / "digits.json").write_text(json.dumps({"format": 0}).replace("0", "9" * 200_000))
    header = bytes([0, 0, 8, 1]) + (2**32 - 1).to_bytes(4, "big")
    (folder / "zeros.gz").write_bytes(gzip.compress(header, mtime=0) + 64 * gzip.compress(bytes(2**26), mtime=0))
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
