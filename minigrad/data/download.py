"""Floor 4: files from an address that the user gives: checked, resumed where a transfer broke, kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, build_opener

from ..serialization import replace
from .samplers import whole

CHUNK = 1 << 16
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that may be better in a moment


class DownloadError(OSError):
    """A file that could not be fetched, or is not the one that was expected."""


class Broken(Exception):
    """A transfer that ended early."""


def cache_folder() -> Path:
    """Where files are kept: minigrad in XDG_CACHE_HOME, or else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "minigrad"


def fetch(
    url: str,
    sha256: str | None = None,
    folder: Any = None,
    name: str | None = None,
    *,
    timeout: float = 30.0,
    retries: int = 3,
    pause: float = 0.5,
    progress: bool = True,
) -> Path:
    """The file at an address (https, http or file), on this machine; a second call finds it there and asks nobody.

    sha256    what its content must hash to
    folder    where to keep it; default: a folder of its own in cache_folder()
    name      what to call it; default: as in the address
    timeout   seconds that a server may stay silent
    retries   how many times in a row a transfer may break without one more byte, with growing pauses from `pause`
              seconds on. What has arrived is kept, and the rest is asked for, also by a later call
    progress  whether a bar shows how far it is, where someone watches
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "file"):
        raise ValueError(f"fetch: {url}: expected an address that begins with https://, http:// or file://")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"fetch: a SHA-256 has 64 hexadecimal digits, not {sha256!r}")
    whole("fetch", "retries", retries, 0)
    name = unquote(parts.path.rpartition("/")[2]) if name is None else name
    if name in ("", ".", "..") or re.search(r"[/\\:\0]", name):
        raise ValueError(f"fetch: {name!r} from {url} is no name for a file; give name=")
    address = hashlib.sha256(url.encode()).hexdigest()
    folder = cache_folder() / address[:16] if folder is None else Path(folder)
    target = folder / name
    note = folder / f".{name}.source"  # which address it is from, and which version of the file
    if target.exists():
        return _kept(target, sha256, _noted(note), address, url)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    if _noted(note).get("address") != address:
        part.unlink(missing_ok=True)
    again = False
    while True:
        went_on = _transfer(url, part, note, address, timeout, retries, pause, progress, name)
        found = digest(part) if sha256 is not None else None
        if sha256 is None or found == sha256.lower():
            os.replace(part, target)
            return target
        part.unlink()
        note.unlink()  # without it, the next transfer begins at the beginning
        if not went_on or again:  # the two halves of a resumed file may be of different ones: once more, as a whole
            raise DownloadError(
                f"fetch: {url} is not the expected file; it was removed\n"
                f"  expected SHA-256 {sha256.lower()}\n  found    SHA-256 {found}"
            )
        again = True


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noted(note: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(note.read_text(encoding="utf8"))
        return content if isinstance(content, dict) else {}
    return {}


def _kept(target: Path, sha256: str | None, noted: dict[str, Any], address: str, url: str) -> Path:
    """The file that is there already, if it is the right one."""
    if sha256 is not None:
        found = digest(target)
        if found != sha256.lower():
            raise DownloadError(
                f"fetch: {target} is not the expected file; remove it to fetch it again\n"
                f"  expected SHA-256 {sha256.lower()}\n  found    SHA-256 {found}"
            )
    elif noted.get("address", address) != address:
        raise DownloadError(f"fetch: {target} came from another address than {url}; give another name= or folder=")
    return target


def _transfer(
    url: str,
    part: Path,
    note: Path,
    address: str,
    timeout: float,
    retries: int,
    pause: float,
    progress: bool,
    name: str,
) -> bool:
    """Brings the whole file into `part`. Whether it is made of the pieces of several answers."""
    from tqdm import tqdm

    failures = 0
    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024, disable=None if progress else True) as bar:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                return _request(url, part, note, address, timeout, bar)
            except HTTPError as error:
                error.close()
                if error.code == 416:  # what is here does not fit what is there
                    part.unlink(missing_ok=True)
                elif error.code not in PASSING:
                    raise DownloadError(f"fetch: {url}: the server answers {error.code} {error.reason}") from error
                cause: Exception = error
            except (Broken, URLError, HTTPException, ConnectionError, TimeoutError) as error:
                reason = getattr(error, "reason", None)
                if isinstance(reason, FileNotFoundError) or url.startswith("file:"):
                    raise DownloadError(f"fetch: {url}: {reason or error}") from error
                cause = error
            after = part.stat().st_size if part.exists() else 0
            failures = 1 if after > before else failures + 1
            if failures > retries:
                raise DownloadError(
                    f"fetch: {url}: {_told(cause)}; {after} bytes have arrived and are kept, call again to go on"
                ) from cause
            time.sleep(pause * 2 ** (failures - 1))


def _told(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return f"the server answers {error.code} {reason}" if isinstance(error, HTTPError) else str(reason)


def _request(url: str, part: Path, note: Path, address: str, timeout: float, bar: Any) -> bool:
    """One request, for what is missing. Whether it went on after a piece that was there."""
    had, version = (part.stat().st_size if part.exists() else 0), _noted(note).get("version")
    request = Request(url, headers={"User-Agent": "minigrad", "Accept-Encoding": "identity"})
    if had and version:  # without a version, a changed file could not be told
        request.add_header("Range", f"bytes={had}-")
        request.add_header("If-Range", version)
    with build_opener().open(request, timeout=timeout) as response:
        span = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        goes_on = response.status == 206 and span is not None and int(span[1]) == had
        if response.status == 206 and not goes_on:
            part.unlink(missing_ok=True)
            raise Broken("the server sent another piece than the one asked for")
        start = had if goes_on else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        tag = response.headers.get("ETag", "")
        version = (tag if tag and not tag.startswith("W/") else None) or response.headers.get("Last-Modified")
        replace(note, json.dumps({"address": address, "version": version}).encode())
        bar.total, bar.n = total, start
        bar.refresh()
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            got = file.tell()
        if total is not None and got != total:
            raise Broken(f"the transfer broke off after {got} of {total} bytes")
    return goes_on
