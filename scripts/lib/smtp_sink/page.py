"""The page for people: the latest mails, and one of them."""

from html import escape

STYLE = "<style>body{font:15px sans-serif;margin:2em;max-width:70em}td,th{text-align:left;padding:.2em 1em .2em 0}iframe{width:100%;height:60vh;border:1px solid #ccc}pre{white-space:pre-wrap}</style>"


def frame(title: str, body: str) -> str:
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>{STYLE}<h1>{escape(title)}</h1>{body}</html>"


def row(mail: dict) -> str:
    to = ", ".join(recipient["Address"] for recipient in mail["To"])
    link = f"<a href='/view/{escape(mail['ID'])}'>{escape(mail['Subject'] or '(no subject)')}</a>"
    return f"<tr><td>{escape(mail['Created'][:19])}<td>{escape(to)}<td>{link}"


def index(mails: list[dict], counts: dict) -> str:
    told = f"{counts['messages']} mails, {counts['distinct_message_ids']} distinct Message-IDs, {len(counts['duplicates'])} repeated"
    rows = "".join(row(mail) for mail in mails)
    return frame("Mails", f"<p>{told}; the latest {len(mails)}:<table><tr><th>Taken (UTC)<th>To<th>Subject{rows}</table>")


def mail(mail: dict) -> str:
    headers = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in mail["Headers"])
    shown = f"<iframe sandbox src='/view/{escape(mail['ID'])}.html'></iframe>" if mail["HTML"] else ""
    text = f"<pre>{escape(mail['Text'])}</pre>" if mail["Text"] else ""
    source = f"<p><a href='/'>all mails</a> · <a href='/api/v1/message/{escape(mail['ID'])}/raw'>source</a>"
    return frame(mail["Subject"] or "(no subject)", f"{source}<table>{headers}</table>{shown}{text}")
