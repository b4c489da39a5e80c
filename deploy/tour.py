#!/usr/bin/env python3
"""Runs the README's tour with METERD_URL and METERD_DATA_DIR of the environment.

The `sh` blocks run in one shell, as a reader has it; what a `json` block behind one shows has to be
in the answer. Prints how many blocks ran and answers were compared; exits with 1 at the first that
fails or differs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MARK = "=====tour====="


def main() -> int:
    readme = Path(__file__).parent.parent / "README.md"
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", readme.read_text(), re.DOTALL | re.MULTILINE)
    samples = [
        following[1] if following[0] == "json" else None
        for (language, _), following in zip(blocks, [*blocks[1:], ("", "")], strict=True)
        if language == "sh"
    ]
    commands = [text for language, text in blocks if language == "sh"]
    script = "set -eu\n" + "".join(f"{text}\necho; echo {MARK}\n" for text in commands)
    with tempfile.TemporaryDirectory() as directory:
        ran = subprocess.run(
            ["bash", "-c", script], cwd=directory, capture_output=True, text=True, check=False
        )
    if ran.returncode != 0:
        print(ran.stdout, ran.stderr, sep="\n", file=sys.stderr)
        return 1
    compared = 0
    for sample, printed in zip(samples, ran.stdout.split(MARK), strict=False):
        if sample is None:
            continue
        answer = json.loads(printed)
        for member, wanted in json.loads(sample).items():
            if answer.get(member) != wanted:
                print(f"{member} of {answer}\nis not {wanted}", file=sys.stderr)
                return 1
        compared += 1
    print(f"README's tour: {len(commands)} blocks ran, {compared} answers compared, all equal")
    return 0 if commands and compared else 1


if __name__ == "__main__":
    sys.exit(main())
