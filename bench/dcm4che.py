"""dcm4che's storescp, resolved by Maven into build/bench, or from a distribution that DCM4CHE_HOME names.

Maven Central has no release of dcm4che 5: it is published in a repository of the project's own. Where Maven
is set up to see that one, it is found; else the report says what Maven said.
"""

import os
import subprocess
from pathlib import Path

from receivers import AE_TITLE, BUILD, NotInstalledError, Receiver, installed

VERSION = "5.33.1"
FOLDER = BUILD / "dcm4che"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>port104</groupId>
  <artifactId>bench-dcm4che</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.dcm4che.tool</groupId>
      <artifactId>dcm4che-tool-storescp</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def install() -> Path:
    """Find its jars, or have Maven fetch them once; their folder. Raises NotInstalledError."""
    home = os.environ.get("DCM4CHE_HOME")
    jars = (Path(home) if home else FOLDER) / "lib"
    if jars.is_dir():
        return jars
    FOLDER.mkdir(parents=True, exist_ok=True)
    pom = FOLDER / "pom.xml"
    pom.write_text(POM)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    command = [installed("mvn"), "--batch-mode", "--quiet", "--update-snapshots", "--file", str(pom), *goal]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalledError(f"Maven: {reason(done.stdout)}")
    return jars


def reason(said: str) -> str:
    """The part of Maven's complaint that tells what is missing, without repositories' addresses."""
    text = said.split("[ERROR]")[1] if "[ERROR]" in said else said
    missing = text[text.find("Could not find") :] if "Could not find" in text else text
    return missing.split(" (http")[0].split(" -> ")[0].strip()


def dcm4che() -> Receiver:
    """Raises NotInstalledError."""
    java = installed("java")
    jars = install()
    options = ["--max-pdulen-rcv", "1048576"]

    def command(port: int, folder: Path) -> list[str]:
        own = ["-b", f"{AE_TITLE}:{port}", "--directory", str(folder / "files")]
        return [java, "-cp", f"{jars}/*", "org.dcm4che3.tool.storescp.StoreSCP", *options, *own]

    return Receiver(
        name="dcm4che storescp",
        version=VERSION,
        settings=" ".join(options),
        command=command,
        streams=False,
    )
