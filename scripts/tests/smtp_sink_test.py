"""What scripts/smtp-sink promises; run with the Python of .stack/cache/venv."""

import json
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SINK = Path(__file__).resolve().parents[1] / "smtp-sink"
# What a mail costs the sink, at most, of what it costs smtplib to send it.
BESIDE_THE_CLIENT = 6.0
MAIL = "Message-ID: <{}@x>\r\nFrom: Shop <shop@x>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/html\r\n\r\n<p>hello</p>\r\n.dot\r\n"


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class SinkTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.smtp, self.http = free_port(), free_port()
        self.start()

    def tearDown(self):
        self.sink.kill()
        self.sink.wait()
        self.folder.cleanup()

    def start(self):
        data = Path(self.folder.name) / "mails.jsonl"
        command = [sys.executable, str(SINK), "--smtp-port", str(self.smtp), "--http-port", str(self.http), "--data", str(data)]
        self.sink = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.sink.stdout.readline()  # printed once it takes mails
        self.addCleanup(self.sink.stdout.close)

    def api(self, path, method="GET", body=None):
        body = None if body is None else json.dumps(body).encode()
        return json.load(urlopen(Request(f"http://127.0.0.1:{self.http}/api/v1/{path}", body, method=method)))

    def send(self, number=1, to="ann@x"):
        """True if taken, the code if refused, None if the connection was lost."""
        try:
            with smtplib.SMTP("127.0.0.1", self.smtp, timeout=5) as client:
                client.sendmail("shop@x", [to], MAIL.format(number))
        except smtplib.SMTPRecipientsRefused as refusal:
            return refusal.recipients[to][0]
        except smtplib.SMTPResponseException as refusal:
            return refusal.smtp_code
        except smtplib.SMTPServerDisconnected:
            return None
        return True

    def test_a_mail_can_be_read_as_it_was_sent(self):
        self.send()
        [summary] = self.api("messages")["messages"]
        whole = self.api(f"message/{summary['ID']}")
        self.assertEqual((summary["Subject"], summary["MessageID"], summary["To"]), ("Grüße", "1@x", [{"Name": "", "Address": "ann@x"}]))
        self.assertEqual((whole["Raw"], whole["HTML"]), (MAIL.format(1), "<p>hello</p>\r\n.dot\r\n"))

    def test_mails_survive_a_kill_and_the_half_line_it_left(self):
        self.send(1)
        self.sink.kill()
        self.sink.wait()
        with open(Path(self.folder.name) / "mails.jsonl", "a") as file:
            file.write('{"id": "2", "mess')
        self.start()
        self.send(1)
        expected = {"messages": 2, "distinct_message_ids": 1, "duplicates": [{"MessageID": "1@x", "Count": 2}]}
        self.assertEqual(self.api("counts"), expected)
        self.assertEqual(self.api("message/2")["MessageID"], "1@x")

    def test_faults_are_acted_out_as_often_as_asked(self):
        for stage in ("connect", "rcpt", "data"):
            self.api("behaviour", "PUT", {"mode": "reply", "stage": stage, "code": 450, "times": 1})
            self.assertEqual([self.send(), self.send()], [450, True], stage)
        self.assertEqual(self.api("counts")["messages"], 3)

    def test_a_fault_strikes_only_the_recipients_it_names(self):
        self.api("behaviour", "PUT", {"mode": "reply", "code": 550, "match": "bob"})
        self.assertEqual([self.send(to="ann@x"), self.send(to="bob@x"), self.send(to="bob@x")], [True, 550, 550])

    def test_a_lost_250_leaves_the_mail_delivered(self):
        self.api("behaviour", "PUT", {"mode": "drop", "stage": "data", "times": 1})
        self.assertIsNone(self.send())
        self.assertEqual(self.api("counts")["messages"], 1)

    def test_an_unknown_fault_is_refused(self):
        with self.assertRaises(HTTPError) as refusal:
            self.api("behaviour", "PUT", {"mode": "sleepy"})
        self.assertEqual(refusal.exception.code, 400)
        refusal.exception.close()

    def test_it_takes_a_mail_in_little_more_time_than_the_client_needs_to_send_it(self):
        def send_many():
            with smtplib.SMTP("127.0.0.1", self.smtp) as client:
                for number in range(500):
                    client.sendmail("shop@x", ["ann@x"], MAIL.format(number))

        def used():  # user and system time of the sink, in hundredths of a second
            return sum(int(ticks) for ticks in Path(f"/proc/{self.sink.pid}/stat").read_text().split()[13:15])

        # A busy machine makes both slower: only what one costs beside the other is told.
        before, ours, senders = used(), time.process_time(), [threading.Thread(target=send_many) for _ in range(4)]
        [sender.start() for sender in senders]
        [sender.join() for sender in senders]
        cost, ours = (used() - before) / 100, time.process_time() - ours
        self.assertEqual(self.api("counts")["messages"], 2000)
        self.assertLess(cost / ours, BESIDE_THE_CLIENT)


if __name__ == "__main__":
    unittest.main()
