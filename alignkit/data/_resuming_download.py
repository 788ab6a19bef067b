"""A downloader for pooch that goes on where an interrupted download stopped."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response

# what is lost at most when a connection breaks
_CHUNK = 1 << 14


class ResumingDownload:
    """What ``pooch.retrieve`` takes as its downloader.

    Bytes go to a hidden file beside the target that outlives a kill. The next attempt asks for the rest only, on
    condition that the server still holds the same file (``If-Range``); pooch checks the checksum of the whole.

    Parameters
    ----------
    target : pathlib.Path
        Where the file will lie in the end.
    progress : bool
        Show a progress bar on stderr.
    timeout : float
        Seconds without an answer.
    """

    def __init__(self, target: Path, *, progress: bool, timeout: float) -> None:
        self.partial = target.with_name(f".{target.name}.part")
        self.validator = target.with_name(f".{target.name}.part.tag")
        self.progress = progress
        self.timeout = timeout

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> bool | None:
        """Download ``url`` to ``output_file``, which pooch verifies and moves into place."""
        import requests

        # only called anew after a failure of the server's, and then without a range: this ends
        with requests.get(url, headers=self._headers(), stream=True, timeout=self.timeout) as response:
            if self._is_elsewhere(response):
                self.forget()  # what is here is not the start of what is there
                response.close()
                return self(url, output_file, pooch, check_only)
            response.raise_for_status()
            if check_only:
                return True
            self._receive(response)
        # pooch removes its file when the checksum is wrong: then nothing is resumed from bad bytes
        Path(output_file).unlink(missing_ok=True)
        self.partial.replace(output_file)
        self.forget()
        return None

    def forget(self) -> None:
        """Remove what an earlier attempt left."""
        self.partial.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)

    def _headers(self) -> dict[str, str]:
        # an encoded (compressed) body has other byte positions than the file
        headers = {"Accept-Encoding": "identity"}
        if self.partial.is_file() and self.validator.is_file() and self.partial.stat().st_size:
            headers["Range"] = f"bytes={self.partial.stat().st_size}-"
            headers["If-Range"] = self.validator.read_text(encoding="utf-8")
        return headers

    def _is_elsewhere(self, response: Response) -> bool:
        """Return whether the server cannot continue, or would at another byte than the next."""
        if response.status_code == 206:
            return not response.headers.get("Content-Range", "").startswith(f"bytes {self.partial.stat().st_size}-")
        return response.status_code == 416

    def _receive(self, response: Response) -> None:
        resumed = response.status_code == 206
        done = self.partial.stat().st_size if resumed else 0
        total = _total(response.headers, done)
        tag = _validator(response.headers)
        if not resumed and tag is not None:
            self.validator.write_text(tag, encoding="utf-8")
        with open(self.partial, "ab" if resumed else "wb") as file, self._bar(done, total) as bar:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if total is not None and self.partial.stat().st_size != total:
            raise ConnectionResetError(errno.ECONNRESET, "the connection broke; the next attempt goes on from there")

    def _bar(self, done: int, total: int | None) -> Any:
        from tqdm import tqdm

        return tqdm(
            desc=self.partial.name[1 : -len(".part")],
            total=total,
            initial=done,
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            disable=not self.progress,
        )


def _total(headers: Mapping[str, str], done: int) -> int | None:
    length = headers.get("Content-Length")
    return done + int(length) if length is not None and length.isdecimal() else None


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return a strong ETag, else the date: a weak ETag promises no equal bytes."""
    etag = headers.get("ETag")
    return etag if etag is not None and not etag.startswith("W/") else headers.get("Last-Modified")
