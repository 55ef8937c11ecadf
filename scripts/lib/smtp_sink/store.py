"""The mails: one JSON line each, appended before the client hears 250, and an index in memory."""

import json
import os
import re
import threading
from collections import Counter
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from pathlib import Path

# Only these headers are looked at while mails come in; the whole mail is parsed when it is read.
HEADER = re.compile(rb"^(message-id|from|subject):[ \t]*((?:.|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)


class Store:
    def __init__(self, path: Path):
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._forget()
        self._read_again()

    def __len__(self) -> int:
        return len(self._index)

    def _forget(self) -> None:
        self._index: list[tuple[int, int]] = []  # where a mail's line starts, and its length
        self._message_ids: Counter[str] = Counter()
        self._end = 0

    def _read_again(self) -> None:
        with os.fdopen(os.dup(self._file), "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # the machine stopped in the middle of this one: its client never got 250
                self._remember(len(line), json.loads(line)["message_id"])
        os.ftruncate(self._file, self._end)

    def _remember(self, length: int, message_id: str) -> None:
        self._index.append((self._end, length))
        self._end += length
        self._message_ids[message_id] += 1

    def add(self, sender: str, recipients: list[str], raw: bytes) -> str:
        """Keeps one mail and returns its id; after this it survives the end of this process."""
        headers = headers_of(raw)
        with self._lock:
            mail = {
                "id": str(len(self._index) + 1),
                "created": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "sender": sender,
                "recipients": recipients,
                "message_id": headers.get("message-id", "").strip("<>"),
                "from": headers.get("from", ""),
                "subject": headers.get("subject", ""),
                # Latin-1 gives every byte one character, so the mail comes back byte for byte.
                "raw": raw.decode("latin-1"),
            }
            line = json.dumps(mail).encode() + b"\n"
            if os.write(self._file, line) != len(line):
                os.ftruncate(self._file, self._end)
                raise OSError("the disk took only a part of the mail")
            self._remember(len(line), mail["message_id"])
        return mail["id"]

    def get(self, mail_id: str) -> dict | None:
        with self._lock:
            position = int(mail_id) - 1 if mail_id.isdigit() else -1
            if not 0 <= position < len(self._index):
                return None
            start, length = self._index[position]
            return json.loads(os.pread(self._file, length, start))

    def newest(self, start: int, limit: int) -> list[dict]:
        total = len(self._index)
        positions = range(total - start, max(total - start - limit, 0), -1)
        return [mail for mail in (self.get(str(number)) for number in positions) if mail]

    def counts(self) -> dict:
        with self._lock:
            repeated = {name: times for name, times in self._message_ids.items() if times > 1}
            return {
                "messages": len(self._index),
                "distinct_message_ids": len(self._message_ids),
                "duplicates": [{"MessageID": name, "Count": times} for name, times in sorted(repeated.items())],
            }

    def clear(self) -> None:
        with self._lock:
            os.ftruncate(self._file, 0)
            self._forget()


def headers_of(raw: bytes) -> dict[str, str]:
    head = raw.split(b"\r\n\r\n", 1)[0]
    return {name.decode().lower(): unfold(value) for name, value in HEADER.findall(head)}


def unfold(value: bytes) -> str:
    text = re.sub(r"\r?\n[ \t]+", " ", value.decode("utf-8", "replace")).strip()
    return str(make_header(decode_header(text))) if "=?" in text else text


def parse(raw: str):
    """The mail as Python's email package sees it."""
    return message_from_bytes(raw.encode("latin-1"), policy=policy.default)
