"""A kept mail as the API shows it, with Mailpit's names of the fields."""

from email.utils import parseaddr

from smtp_sink.store import parse


def address(text: str) -> dict:
    name, mailbox = parseaddr(text)
    return {"Name": name, "Address": mailbox or text}


def summary(mail: dict) -> dict:
    return {
        "ID": mail["id"],
        "MessageID": mail["message_id"],
        "From": address(mail["from"] or mail["sender"] or ""),
        "To": [address(recipient) for recipient in mail["recipients"]],
        "Subject": mail["subject"],
        "Created": mail["created"],
        "Size": len(mail["raw"]),
    }


def part(mail: dict, kind: str) -> str:
    body = parse(mail["raw"]).get_body((kind,))
    return body.get_content() if body else ""


def whole(mail: dict) -> dict:
    headers = [[name, str(value)] for name, value in parse(mail["raw"]).items()]
    return summary(mail) | {"Headers": headers, "Text": part(mail, "plain"), "HTML": part(mail, "html"), "Raw": mail["raw"]}
