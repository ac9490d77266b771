"""Commands for the transparency log: its checkpoints, its key, its proofs, and checking it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.stack import Stack
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.log_key import make_seed, signer_of
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from ledger.setting_record import StateSetting
from ledger.transparency.base64_text import base64_text
from ledger.transparency.checkpoint import Checkpoint, open_checkpoint
from ledger.transparency.handover import LogKeys
from ledger.transparency.note import Note
from ledger.transparency.note_key import NoteKey

_SPLIT: Final = frozenset({"split_view", "checkpoint_ahead"})
_SUFFIXES: Final = (".tlog-proof", ".txt")


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="log", help="Prove that nothing was altered: signed checkpoints and Merkle proofs.")
    app.command(group)

    @group.command
    def checkpoint() -> None:
        """Sign the log as it is now, unless that was done, and print the signed note.

        Nothing is signed that does not go on from what was signed before.
        """
        with session.open() as stack:
            stack.caught_up()
            note = stack.published.sign()
        print(note.content().decode(), end="")

    @group.command
    def key(
        *, make: Annotated[bool, Parameter(negative="", help="make the key's file, if there is none")] = False
    ) -> None:
        """Print the log's verifier key, with which others check its checkpoints (C2SP signed-note)."""
        file = session.settings.log_key_file
        signer = signer_of(file, session.settings.origin)
        kept = CheckpointFolder(session.settings.checkpoint_folder).newest()
        if signer is None and kept is not None:
            text = (
                f"{file} is not there, and checkpoints up to {kept[0]} envelopes are in"
                f" {session.settings.checkpoint_folder}: put back the key that signed them"
            )
            raise Refused("log_key", text, place="WATTLEDGER_LOG_KEY")
        if make:
            make_seed(file)
            signer = signer_of(file, session.settings.origin)
        if signer is None:
            text = f"{file} is not there: nothing was signed here; --make makes it"
            raise Refused("log_key", text, place="WATTLEDGER_LOG_KEY")
        print(signer.key)

    @group.command(name="rotate-key")
    def rotate_key(*, by: Annotated[str, Parameter(name="--as", help="who does it: an opaque id")]) -> None:
        """Hand the log to a new key: both sign one checkpoint that names both, and the new one signs alone
        from then on.

        The new key is on record as an event before. Who keeps the former verifier key goes on with it.
        """
        with session.open() as stack:
            stack.caught_up()

            def state(key: NoteKey) -> None:
                stack.door.record(StateSetting("log-key", str(key)), actor=by)
                stack.caught_up()

            found = stack.published.rotate_key(state)
        print(
            f"handed over at {counted(found.size, 'event')}\nformer {found.former}\nnow    {found.following}"
        )

    @group.command
    def cosignature(
        file: Path,
        *,
        witness: Annotated[list[str], Parameter(help="a witness's verifier key; once for each")],
    ) -> None:
        """Keep witnesses' signatures of one of our checkpoints (C2SP tlog-cosignature), once they hold.

        FILE is the signed note that a witness gave back, or the note with several of them.
        """
        note = Note.parse(given_file.read(file, "a checkpoint that a witness cosigned"))
        keys = [NoteKey.parse(one) for one in witness]
        with session.open() as stack:
            size, seen = stack.published.keep_cosignatures(note, keys)
        for key, time_s in seen.items():
            at = datetime.fromtimestamp(time_s, UTC).isoformat()
            print(f"{key.name} saw the checkpoint of {counted(size, 'event')} at {at}; kept")

    @group.command
    def inclusion(
        sequence: int,
        *,
        out: Annotated[Path | None, Parameter(help="write to this file (.tlog-proof or .txt)")] = None,
    ) -> None:
        """Prove that an event is in the log, as a file that is checked without us (C2SP tlog-proof)."""
        if out is not None:
            given_file.check_new(out, _SUFFIXES)
        with session.open() as stack:
            stack.caught_up()
            proof = stack.published.proof(sequence)
        if proof is None:
            text = f"no signed checkpoint covers {sequence}, and this process has no key to sign one"
            raise Refused("unknown_checkpoint", text, place="SEQUENCE")
        if out is None:
            print(proof.tlog_proof, end="")
        else:
            given_file.write(out, proof.tlog_proof.encode())

    @group.command
    def consistency(old: int, new: int) -> None:
        """Prove that the log of OLD events begins the log of NEW: the hashes of RFC 9162 2.1.4, in base64."""
        with session.open() as stack:
            stack.caught_up()
            found = stack.published.consistency(old, new)
        print(f"{old} {base64_text(found.old_root)}\n{new} {base64_text(found.root)}")
        for node in found.path:
            print(base64_text(node))

    @group.command
    def check(
        file: Path,
        *,
        key: Annotated[
            str | None,
            Parameter(help="a verifier key of the log, former or present, where the key's file is not here"),
        ] = None,
        witness: Annotated[
            list[str] | None, Parameter(help="the verifier key of a witness that must have cosigned it")
        ] = None,
    ) -> int:
        """Say whether today's log goes on from a checkpoint that somebody kept.

        Each named witness must have cosigned it. Ends with 1 when the log does not go on from it: then the
        two signed checkpoints that it prints are the evidence.
        """
        note = Note.parse(given_file.read(file, "a checkpoint that somebody kept"))
        with session.open() as stack:
            stack.caught_up()
            published = stack.published
            trusted = keys_of(published, key).at(Checkpoint.parse(note.text).size)
            witnesses = [NoteKey.parse(one) for one in witness or ()]
            opened = open_checkpoint(note, published.origin, trusted, witnesses)
            for each in witnesses:
                if each not in opened.note.witnessed_s:
                    raise Refused("note_unsigned", f"{each.name} did not cosign this", place="--witness")
            kept = opened.checkpoint
            return _check(stack, kept, note, file)


def keys_of(published: PublishedLog, given: str | None) -> LogKeys:
    """The keys of our own log, or those that it handed itself over by to or from the given one."""
    own = published.keys()
    if given is None:
        return LogKeys(published.key()) if own is None else own
    key = NoteKey.parse(given)
    return own if own is not None and key in own.known else LogKeys.holding(key, published.handovers())


def _check(stack: Stack, kept: Checkpoint, note: Note, file: Path) -> int:
    published = stack.published
    try:
        size = published.check(kept)
    except Refused as refused:
        if refused.code not in _SPLIT:
            raise
        print(f"FAULT {refused.code}: {refused}")
        print(f"\nkept in {file}:\n\n{note.content().decode()}\n{_today(published)}", end="")
        return 1
    print(
        f"{published.origin}: {counted(size, 'event')} today go on from the {kept.size:,} of {file}, root"
        f" {base64_text(kept.root)}"
    )
    return 0


def _today(published: PublishedLog) -> str:
    """The newest checkpoint as it lies in the folder, believed or not."""
    found = published.folder.newest()
    if found is None:
        return "today's log has no signed checkpoint\n"
    return f"newest in {published.folder.path}:\n\n{found[1].decode(errors='replace')}"
