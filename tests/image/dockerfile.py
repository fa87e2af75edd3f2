"""The Dockerfile, read; and its steps carried out in folders, where there is no container engine.

What is carried out is what this Dockerfile uses: FROM, ARG, ENV, SHELL, WORKDIR, COPY, RUN, USER. What only
describes the image is left, and anything else is an error, so that no step is passed over in silence.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile"
_DESCRIBING = {"LABEL", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
# What pip and apt are told on the machine about where packages are, which has no place in the image.
_FETCHING = ("PIP_CERT", "PIP_INDEX_URL", "http_proxy", "https_proxy")
_FETCHING_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its value, in order."""
    from dockerfile_parse import DockerfileParser  # noqa: PLC0415 - `make build` does not install it

    parser = DockerfileParser(path=str(FILE))
    return [
        (each["instruction"], each["value"]) for each in parser.structure if each["instruction"] != "COMMENT"
    ]


def sent_to_the_builder() -> Iterator[Path]:
    """The files that .dockerignore lets through, relative to the project, as Docker reads it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [(line[0] == "!", _pattern(line.lstrip("!"))) for line in lines if line and line[0] != "#"]
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.splitlines():
        path, taken = Path(name), True
        for takes, pattern in rules:
            if any(pattern.fullmatch(each.as_posix()) for each in (path, *path.parents)):
                taken = takes
        if taken and (ROOT / path).is_file():
            yield path


def _pattern(rule: str) -> re.Pattern[str]:
    """A rule of .dockerignore, which stands at the root of what is sent."""
    return re.compile(re.escape(rule).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*"))


class Stage:
    """One stage: a root folder, and what RUN is run with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
        self.folder = "/"
        self.user = "0"
        self.shell = ["/bin/sh", "-c"]

    def inside(self, path: str) -> Path:
        """A path of the stage, as it is outside."""
        return self.root / os.path.normpath(os.path.join("/", self.folder, path)).lstrip("/")  # noqa: PTH118

    def expand(self, text: str) -> str:
        return re.sub(
            r"\$\{?(\w+)\}?", lambda found: (self.arguments | self.environment).get(found[1], ""), text
        )

    def command(self, words: list[str], environment: dict[str, str] | None = None) -> list[str]:
        """The command line that runs words within the stage."""
        settings = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"}
        settings |= self.environment | (environment or {})
        user = self.user if ":" in self.user else f"{self.user}:{self.user}"
        pairs = [f"{key}={value}" for key, value in settings.items()]
        inner = ["env", "-i", f"--chdir={self.folder}", *pairs, *words]
        return ["chroot", f"--userspec={user}", str(self.root), *inner]

    def run(self, line: str) -> None:
        """Carry out a RUN step; the output is told where it fails."""
        for name in filter(os.path.exists, _FETCHING_FILES):  # each time: packages bring their own
            self.inside(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, self.inside(name))
        fetching = {name: os.environ[name] for name in _FETCHING if name in os.environ}
        done = subprocess.run(
            self.command([*self.shell, line], environment=fetching | self.arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"RUN {line}\n{done.stdout[-4000:]}"


def build(base: Path, folder: Path) -> Stage:
    """Carry out the Dockerfile with a base system, in folders below `folder`; returns its last stage."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for index, (instruction, value) in enumerate(instructions()):
        if instruction == "FROM":
            *_, name = value.split() if " AS " in value else (value, str(index))
            stage = stages[name] = Stage(_copied(base, folder / name))
        elif instruction == "ARG" and stage is None:
            continue  # the base, which is given
        else:
            assert stage is not None
            _carry_out(stage, stages, instruction, value)
    assert stage is not None
    return stage


def _copied(base: Path, root: Path) -> Path:
    subprocess.run(["cp", "--archive", "--reflink=auto", str(base), str(root)], check=True)
    return root


def _carry_out(stage: Stage, stages: dict[str, Stage], instruction: str, value: str) -> None:
    match instruction:
        case "ARG":
            name, _, default = value.partition("=")
            stage.arguments[name] = default
        case "ENV":
            pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', value)
            stage.environment |= {name: stage.expand(text.strip('"')) for name, text in pairs}
        case "SHELL":
            stage.shell = json.loads(value)
        case "WORKDIR":
            stage.folder = value
            stage.inside(".").mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = value
        case "RUN":
            stage.run(value)
        case "COPY":
            _copy(stage, stages, value)
        case _:
            assert instruction in _DESCRIBING, f"{instruction}: not known to {__file__}"


def _copy(stage: Stage, stages: dict[str, Stage], value: str) -> None:
    *sources, target = value.split()
    to = stage.inside(target)
    if sources[0].startswith("--from="):
        name, source = sources[0].removeprefix("--from="), sources[1]
        subprocess.run(["cp", "--archive", str(stages[name].inside(source)), str(to)], check=True)
        return
    for path in sent_to_the_builder():
        for source in sources:
            if path.is_relative_to(source):
                below = path.relative_to(source)
                file = to / (below if below.parts else path.name)
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, file)
