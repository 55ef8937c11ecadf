"""The SMTP side: aiosmtpd speaks the protocol, this keeps the mails and acts out the faults."""

import asyncio

from aiosmtpd.smtp import SMTP

from smtp_sink.behaviour import Behaviour, Fault
from smtp_sink.store import Store


class Sink:
    def __init__(self, store: Store, behaviour: Behaviour):
        self._store, self._behaviour = store, behaviour

    async def handle_RCPT(self, server, session, envelope, address, options):
        fault = self._behaviour.at("rcpt", [address])
        if fault and (refusal := await act_out(fault, server)):
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        fault = self._behaviour.at("data", envelope.rcpt_tos)
        if fault and fault.mode == "drop":
            self._keep(envelope)
        if fault and (refusal := await act_out(fault, server)):
            return refusal
        try:
            return f"250 OK queued as {self._keep(envelope)}"
        except OSError as error:  # a full disk is for the client to try again, not a refusal
            return f"452 not kept: {error.strerror or error}"

    def _keep(self, envelope) -> str:
        return self._store.add(envelope.mail_from, envelope.rcpt_tos, envelope.content)


async def act_out(fault: Fault, server: SMTP) -> str | None:
    """The refusal to send, if the fault is one."""
    await asyncio.sleep(fault.delay_ms / 1000)
    if fault.mode == "drop":
        server.transport.abort()
    return None if fault.mode == "ok" else fault.reply


class Server(SMTP):
    """aiosmtpd has no hook before its greeting."""

    def __init__(self, behaviour: Behaviour, sink: Sink):
        super().__init__(sink, hostname="smtp-sink", ident="keeps everything", enable_SMTPUTF8=True)
        self._behaviour = behaviour

    async def _handle_client(self):
        fault = self._behaviour.at("connect", [])
        if fault and (refusal := await act_out(fault, self)):
            if not self.transport.is_closing():
                await self.push(refusal)
                self.transport.close()
            return
        await super()._handle_client()


async def serve_smtp(host: str, port: int, store: Store, behaviour: Behaviour) -> asyncio.Server:
    sink = Sink(store, behaviour)
    return await asyncio.get_running_loop().create_server(lambda: Server(behaviour, sink), host, port, backlog=512)
