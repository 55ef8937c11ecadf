"""Uses each server once, through the variables of `scripts/stack env`; ends with 1 at the first surprise."""

import json
import os
import smtplib
import socket
import struct
import sys
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from confluent_kafka.admin import AdminClient, NewTopic


def kafka():
    admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})
    if "stack-test" not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic("stack-test", 3)])["stack-test"].result(10)


def postgres():
    """The start of Postgres' own protocol and one query: the venv has no Postgres client."""
    url = urlsplit(os.environ["DATABASE_URL"])
    with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
        start = b"user\0postgres\0database\0" + url.path[1:].encode() + b"\0\0"
        connection.sendall(struct.pack("!II", len(start) + 8, 196608) + start)
        query = b"select 'ok:' || string_agg(setting, ',' order by name) from pg_settings where name in ('jit', 'track_commit_timestamp', 'max_connections')\0"
        connection.sendall(b"Q" + struct.pack("!I", len(query) + 4) + query)
        answer = b""
        while b"ok:" not in answer and b"ERROR" not in answer and b"FATAL" not in answer:
            answer += connection.recv(4096)
        assert b"ok:off,300,on" in answer, answer


def registry():
    url = os.environ["SCHEMA_REGISTRY_URL"]

    def register(fields):
        schema = json.dumps({"type": "record", "name": "StackTest", "fields": fields})
        headers = {"Content-Type": "application/json"}
        return json.load(urlopen(Request(f"{url}/subjects/StackTest/versions", json.dumps({"schema": schema}).encode(), headers)))

    first = [{"name": "a", "type": "int"}]
    assert register(first) == register(first)
    try:
        register(first + [{"name": "b", "type": "int"}])
    except OSError as refusal:
        assert "409" in str(refusal), refusal
    else:
        raise AssertionError("a required field was accepted: the global rule is off")


def redis():
    url = urlsplit(os.environ["REDIS_URL"])
    with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(16) == b"+PONG\r\n"


def mail():
    url, api = urlsplit(os.environ["SMTP_URL"]), os.environ["MAIL_API_URL"]
    with smtplib.SMTP(url.hostname, url.port) as client:
        client.sendmail("shop@example.com", ["ann@example.com"], "Message-ID: <1@x>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nhello\r\n")
    newest = json.load(urlopen(f"{api}/api/v1/messages?limit=1"))["messages"][0]
    assert (newest["Subject"], newest["To"][0]["Address"]) == ("Grüße", "ann@example.com"), newest


for use in [kafka, postgres, registry, redis, mail]:
    try:
        use()
    except Exception as surprise:
        sys.exit(f"{use.__name__}: {type(surprise).__name__} {surprise}")
