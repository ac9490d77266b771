"""Commands about webhooks, and the role that tells NATS and webhooks what happens at the desk."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import ACTOR, Session, check_folder
from adapters.live.interest import KINDS, Interest
from adapters.live.publisher import LivePublisher
from adapters.live.told_position import read_all
from adapters.mail.mailbox import mailbox
from adapters.mail.worker import MailWorker
from adapters.settings import Settings
from adapters.stack import running
from adapters.webhooks import dead_letters
from adapters.webhooks.carrier import Carrier
from adapters.webhooks.destination import check_literal, loopback_notice
from adapters.webhooks.registered_webhooks import consumer_of, standings
from adapters.webhooks.replaying import check_replay
from adapters.webhooks.signing_keys import SigningKeys
from adapters.webhooks.worker import WebhookWorker
from ledger.refusal import Refused
from trading.webhook import RegisterWebhook, ReplayWebhook, StopWebhook, Webhook

_SHOWN: Final = 1000


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="webhook", help="Webhooks: who is told by HTTP what happens at the desk.")
    app.command(group)

    @group.command
    def register(
        name: str,
        url: str,
        *,
        kind: Annotated[tuple[str, ...], Parameter(help=f"only these: {', '.join(KINDS)}")] = (),
        market: Annotated[tuple[str, ...], Parameter(help="only these markets, and what is about all")] = (),
        unit: Annotated[tuple[str, ...], Parameter(help="only these units, and what is about all")] = (),
        key: Annotated[
            str | None, Parameter(help="the signing key's id; if not stated the webhook's")
        ] = None,
    ) -> None:
        """Register a webhook, or change one; prints the secret that its receiver verifies with.

        On the machine that delivers: the secret is made there, in a file, and is in no event.
        """
        Interest(kind, market, unit)
        webhook = Webhook(id=name, url=url, key_id=key or name, kinds=kind, markets=market, units=unit)
        check_literal(webhook.url)
        with session.open() as stack:
            keys = signing_keys(session.settings)
            secret = keys.made(webhook.key_id)
            receipt = stack.door.record(RegisterWebhook(webhook, ACTOR), actor=ACTOR)
        print(f"webhook {name}: event {receipt.sequence}")
        print(f"secret  {secret}   (in {keys.path(webhook.key_id)})")
        if notice := loopback_notice(webhook.url):
            print(f"notice  {notice}")

    @group.command
    def stop(name: str, reason: str) -> None:
        """Tell a webhook nothing more; registered again it goes on where it was."""
        with session.open() as stack:
            receipt = stack.door.record(StopWebhook(name, ACTOR, reason), actor=ACTOR)
        print(f"webhook {name}: stopped, event {receipt.sequence}")

    @group.command
    def replay(name: str, after: int) -> None:
        """Tell a webhook again everything after a sequence number, each message under its own id."""
        with session.open() as stack:
            check_replay(stack.door, after)
            # Asking twice is two wishes: each is decided under an id of its own.
            last = stack.client.run(stack.log.last_sequence())
            command_id = f"cli:webhook-replay:{name}:{after}:{last}"
            receipt = stack.door.execute(
                ReplayWebhook(name, after, ACTOR), command_id=command_id, actor=ACTOR
            )
        print(f"webhook {name}: told again after {after}, event {receipt.sequence}")

    @group.command(name="list")
    def list_webhooks(*, as_of: AsOf = None) -> None:
        """List webhooks; how far each was told is always as of now."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = standings(connection, position)
                told = read_all(connection)
        for name, one in found.items():
            at = told.get(consumer_of(name))
            where = "nothing told yet" if at is None else f"told up to {at.sequence}"
            fault = f", failing: {at.last_error}" if at is not None and at.last_error else ""
            state = "stopped" if one.state.stopped else where + fault
            print(f"{name}  {one.webhook.url}  {state}")

    @group.command(name="dead-letters")
    def show_dead_letters(name: str) -> None:
        """List what could not be brought to a webhook; `webhook replay` brings it."""
        with session.open() as stack:
            position = moment(stack, None).position
            with stack.database.reading(stack.settings.book) as connection:
                if name not in standings(connection, position):
                    raise Refused("unknown_webhook", f"no webhook {name!r} is registered", place="webhook")
                found = dead_letters.page(connection, name, limit=_SHOWN)
        for one in found:
            at = f"{one.given_up_at:%Y-%m-%dT%H:%M:%SZ}"
            print(f"{one.message}  {one.type}  {at} after {one.attempts} attempt(s): {one.reason}")

    @app.command
    def tell(
        *, loopback: Annotated[bool, Parameter(help="let webhooks be on this machine", negative=())] = False
    ) -> int:
        """Tell NATS and the webhooks what happens, and mail alarms to WATTLEDGER_MAIL_URL, until stopped;
        ends with 1 when it halts."""
        check_folder(session.settings)
        with running(session.settings, session.clock) as stack:
            carrier = Carrier(signing_keys(session.settings), session.clock, loopback=loopback)
            book, url = session.settings.book, session.settings.mail_url
            roles: list[LivePublisher | WebhookWorker | MailWorker] = [
                LivePublisher(stack.client, stack.database, book),
                WebhookWorker(stack.database, book, carrier, session.clock),
            ]
            if url is not None:
                roles.append(MailWorker(stack.database, book, mailbox(url), session.clock))
            return _run(roles)


def signing_keys(settings: Settings) -> SigningKeys:
    """The book's, under the state folder of the machine that delivers."""
    return SigningKeys(Path(settings.state) / "webhooks" / settings.book)


def _run(roles: Sequence[LivePublisher | WebhookWorker | MailWorker]) -> int:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    threads = [threading.Thread(target=role.run, name=type(role).__name__) for role in roles]
    for thread in threads:
        thread.start()
    while not stopping.wait(0.2) and all(thread.is_alive() for thread in threads):
        pass
    for role in roles:
        role.stop()
    for thread in threads:
        thread.join()
    halted = [role.halted for role in roles if role.halted is not None]
    for why in halted:
        print(f"halted: {why}", file=sys.stderr)
    return 0 if stopping.is_set() and not halted else 1
