"""Faults on demand: what the sink answers instead of taking a mail.

PUT /api/v1/behaviour with a JSON object; what is left out has the default shown:

    mode      "ok"     takes mails ("ok" alone ends every fault)
              "reply"  answers `code text` at `stage` instead
              "drop"   closes the connection at `stage`; at stage "data" the mail IS kept first, as
                       when a 250 is lost on its way
    stage     "rcpt" | "data" | "connect"              "rcpt"
    code      451        text    "try again later"
    delay_ms  0          waits this long at `stage` first, in every mode
    match     ""         only for recipients containing this (not at stage "connect")
    times     null       only the first so many times, then "ok"
"""

import threading
from dataclasses import asdict, dataclass, fields

STAGES = ("connect", "rcpt", "data")
MODES = ("ok", "reply", "drop")


@dataclass(frozen=True)
class Fault:
    mode: str = "ok"
    stage: str = "rcpt"
    code: int = 451
    text: str = "try again later"
    delay_ms: int = 0
    match: str = ""
    times: int | None = None

    @property
    def reply(self) -> str:
        return f"{self.code} {self.text}"


class Behaviour:
    def __init__(self):
        self._lock = threading.Lock()
        self._fault, self._left = Fault(), None

    def set(self, wanted: dict) -> None:
        unknown = set(wanted) - {field.name for field in fields(Fault)}
        if unknown:
            raise ValueError(f"unknown field {sorted(unknown)[0]}")
        fault = Fault(**wanted)
        if fault.mode not in MODES or fault.stage not in STAGES:
            raise ValueError(f"mode is one of {MODES} and stage one of {STAGES}")
        if not 400 <= fault.code <= 599:
            raise ValueError("code is an SMTP error, 400 to 599")
        with self._lock:
            self._fault, self._left = fault, fault.times

    def get(self) -> dict:
        with self._lock:
            return asdict(self._fault) | {"times_left": self._left}

    def at(self, stage: str, recipients: list[str]) -> Fault | None:
        """The fault to act out at this moment, which uses up one of its times."""
        fault = self._fault
        if fault.stage != stage or (fault.mode == "ok" and not fault.delay_ms):
            return None
        if stage != "connect" and not any(fault.match in recipient for recipient in recipients):
            return None
        with self._lock:
            if self._left is not None:
                if self._left <= 0:
                    return None
                self._left -= 1
        return fault
