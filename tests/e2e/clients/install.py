"""Installs Claude Code and Codex where the registry delivers them: `python -m tests.e2e.clients.install folder`.

The folder holds the lock. What is not delivered is no fault of this project's, and only skips the tests that need it:
`missing.json` names each agent that is not there with the reason, and is empty where `.stamp` says that all are.
Anything else that goes wrong, such as a package that is not the one that was pinned, is an error.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CLAUDE_CODE, CODEX = "Claude Code", "Codex"
_PACKAGES = {CLAUDE_CODE: "@anthropic-ai/claude-code", CODEX: "@openai/codex"}
_WITHIN_S = 180
"""CI ends in time even where the registry delivers a byte a second."""

# npm's codes for a lock and for a disk that are at fault. A script of a package that failed has a number for a code.
_NOT_THE_REGISTRY = ("EUSAGE", "EINTEGRITY", "EJSONPARSE", "ENOSPC", "EACCES", "EPERM", "EROFS")


class Broken(Exception):
    """The message is what npm said."""


def install(folder: Path) -> Mapping[str, str]:
    """Why each agent that is not there is not; raises `Broken`."""
    try:
        done = subprocess.run(
            ["npm", "ci", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(_PACKAGES, f"the registry had not delivered it within {_WITHIN_S} s")
    if done.returncode == 0:
        return _left_out(folder / "node_modules")
    code, why = _told(done.stderr)
    if not code or code.isdigit() or code in _NOT_THE_REGISTRY:
        raise Broken(done.stderr)
    return dict.fromkeys(_PACKAGES, f"the registry did not deliver it ({code}: {why})")


def _told(said: str) -> tuple[str, str]:
    """npm's code for what went wrong, and the first sentence about it."""
    lines = re.findall(r"^npm (?:error|ERR!) (.+)$", said, re.MULTILINE)
    facts = [re.match(r"(code|syscall|errno) (\S+)", line) for line in lines]
    codes = [fact[2] for fact in facts if fact and fact[1] == "code"]
    sentences = [line for line, fact in zip(lines, facts, strict=True) if not fact]
    return next(iter(codes), ""), next(iter(sentences), "")


def _left_out(modules: Path) -> Mapping[str, str]:
    """The programs are optional packages, one for each kind of machine, and npm is silent about one that failed."""
    why = "the registry did not deliver its program for this machine, which npm leaves out then"
    return {name: why for name, package in _PACKAGES.items() if not any(modules.glob(f"{package}-*"))}


def main(folder: Path) -> int:
    stamp, found = folder / ".stamp", folder / "missing.json"
    for said in (stamp, found):
        said.unlink(missing_ok=True)
    try:
        missing = install(folder)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    found.write_text(json.dumps(missing))
    if not missing:
        stamp.touch()
    for name, why in missing.items():
        print(f"{name} is not installed, and its tests will be skipped: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
