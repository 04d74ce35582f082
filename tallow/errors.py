"""The one error tree. A docstring's first line is the sentence a user reads.

    TallowError
    ├─ UsageError            2  NoRelaySet · BadCode · WeakCode · NeedsAnswer · SameWish ·
    │                           OtherPurpose · MissingExtra
    ├─ InternalError         1  LocalProtocolError
    ├─ PeerError                WrongCode 3 · CodeGuessed 3 · NotVerified 3 · OfferDeclined 7 ·
    │                           PeerCancelled 7 · PeerGone (SessionEnded) 5 · PeerVersion 4
    ├─ LinkError             4  RelayUnreachable · RelayKeyChanged · RelayRefused · PlateLive ·
    │                           RelayVersion · Crowded · UnknownNameplate 5 · CodeExpired 5 ·
    │                           TimedOut 5
    ├─ IntegrityError        6  RemoteProtocolError · UnsafeName · RootMismatch · RecordLost
    ├─ StorageError          8  DiskFull · NotWritable · SourceUnreadable · TargetExists
    ├─ PartlyDone            9
    └─ Cancelled           130  Interrupted · Terminated 143

Every leaf has a stable ``code`` (documented in docs/cli.md), one exit code and a ``hint`` that
says what to do now. This module never prints, and no message ever holds a secret.
"""

from __future__ import annotations

from typing import ClassVar


class TallowError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, hint: str = "", why: str = "") -> None:
        """Hold what happened, why (for the second line) and what to do next."""
        self.message = message or first_line(type(self))
        self.why = why
        self.hint = hint or type(self).default_hint
        super().__init__(self.message)


def first_line(kind: type[TallowError]) -> str:
    """Return the sentence of an error class: the first line of its docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


# --- what the user asked for cannot be done ---------------------------------------------------


class UsageError(TallowError):
    """This cannot be done as asked."""

    code = "usage"
    exit_code = 2
    default_hint = "See  tallow help."


class NoRelaySet(UsageError):
    """No relay is set, so there is nowhere to meet."""

    code = "no-relay"
    default_hint = (
        "Start one with  tallow relay  and then set  TALLOW_RELAY=localhost:4433"
        "  (or pass --relay HOST:PORT)."
    )


class BadCode(UsageError):
    """This code has a typing mistake."""

    code = "bad-code"
    default_hint = "Check it against the other screen; nothing was sent and the code still works."


class WeakCode(UsageError):
    """This code is too easy to guess."""

    code = "weak-code"
    default_hint = "Put a number in front (7-mycode), or pass --weak-code if you accept the risk."


class NeedsAnswer(UsageError):
    """There is no terminal to ask on, and --yes was not given."""

    code = "needs-answer"
    default_hint = "Add --yes to accept what the sender offers, or run it on a terminal."


class MissingExtra(UsageError):
    """A part of Tallow that this needs is not installed."""

    code = "missing-extra"
    default_hint = "Install it with pip, and try again."


class OtherPurpose(UsageError):
    """The other side came for something else."""

    code = "other-purpose"
    default_hint = "Agree on what both sides start; the code is still good."


class SameWish(UsageError):
    """Both sides want to do the same, so nobody is on the other end of it."""

    code = "same-wish"
    default_hint = "One side sends and the other receives; the code is still good."


# --- our own mistakes -------------------------------------------------------------------------


class InternalError(TallowError):
    """Tallow made a mistake of its own."""

    code = "internal"
    exit_code = 1
    default_hint = "Please report this with the command you ran; nothing was left half-written."


class LocalProtocolError(InternalError):
    """A step was asked for that this state does not allow."""

    code = "wrong-order"


# --- the person on the other end --------------------------------------------------------------


class PeerError(TallowError):
    """The other side ended this."""

    code = "peer"
    exit_code = 5
    default_hint = "Start again on both sides with a new code."


class WrongCode(PeerError):
    """The code is wrong, or someone interfered; ask for a new one."""

    code = "wrong-code"
    exit_code = 3
    default_hint = "Ask the other side for a new code: this one is dead."


class CodeGuessed(PeerError):
    """Somebody joined with a wrong code; this code is dead."""

    code = "code-guessed"
    exit_code = 3
    default_hint = "Start again for a new code, and tell it only to the person you mean."


class NotVerified(PeerError):
    """The two sides did not confirm that they see the same symbols."""

    code = "not-verified"
    exit_code = 3
    default_hint = "If the symbols differed, someone is in between: do not send anything this way."


class OfferDeclined(PeerError):
    """The other side said no."""

    code = "declined"
    exit_code = 7
    default_hint = "Nothing was written there."


class PeerCancelled(PeerError):
    """The other side cancelled."""

    code = "peer-cancelled"
    exit_code = 7
    default_hint = "Ask them why, and start again when both are ready."


class PeerGone(PeerError):
    """The other side is gone."""

    code = "peer-gone"
    exit_code = 5
    default_hint = "Start again on both sides with a new code."


class SessionEnded(PeerGone):
    """The other side ended the session early."""

    code = "session-ended"


class PeerVersion(PeerError):
    """The two programs speak different versions of the protocol."""

    code = "peer-version"
    exit_code = 4
    default_hint = "Update Tallow on both sides (tallow --version shows what runs here)."


# --- the path ---------------------------------------------------------------------------------


class LinkError(TallowError):
    """The network path failed."""

    code = "link"
    exit_code = 4
    default_hint = "Check the network and the relay, then start again on both sides."
    retry_s: int = 0
    """When the relay says that another try may help; 0: it does not say."""


class RelayUnreachable(LinkError):
    """The relay cannot be reached."""

    code = "relay-unreachable"
    default_hint = "Check the address and that  tallow relay  runs there."


class RelayKeyChanged(LinkError):
    """The relay shows another key than before."""

    code = "relay-key-changed"
    default_hint = "If its owner says the key changed:  tallow relay forget HOST:PORT"


class RelayRefused(LinkError):
    """The relay refused."""

    code = "relay-refused"
    default_hint = "Ask the relay's owner, or use another relay."


class PlateLive(RelayRefused):
    """This number is taken on the relay."""

    code = "plate-live"
    default_hint = "Choose another number in front of the code, or leave --code out."


class RelayVersion(LinkError):
    """This relay speaks another version of the protocol."""

    code = "relay-version"
    default_hint = "Update Tallow here or on the relay."


class Crowded(LinkError):
    """Two sides are already using this code."""

    code = "crowded"
    default_hint = "If you are not one of them, someone else has this code: ask for a new one."


class UnknownNameplate(LinkError):
    """Nobody is waiting under this number."""

    code = "unknown-nameplate"
    exit_code = 5
    default_hint = "Check the number, or add --wait to wait for the other side."


class CodeExpired(LinkError):
    """This code has expired."""

    code = "code-expired"
    exit_code = 5
    default_hint = "Start again for a new code; --expires makes it live longer."


class TimedOut(LinkError):
    """The other side did not answer in time."""

    code = "timed-out"
    exit_code = 5
    default_hint = "Try again when both sides are there; --timeout waits longer."


# --- what arrived is not what was sent --------------------------------------------------------


class IntegrityError(TallowError):
    """What arrived is not what was sent."""

    code = "integrity"
    exit_code = 6
    default_hint = "Nothing was given its final name. Try again; if it repeats, use another path."


class RemoteProtocolError(IntegrityError):
    """The other side broke the rules of the protocol."""

    code = "peer-broke-rules"


class UnsafeName(IntegrityError):
    """The offer holds a name that could escape the target folder."""

    code = "unsafe-name"
    default_hint = "Nothing was written. Do not accept files from this sender."


class RootMismatch(IntegrityError):
    """The received bytes do not match the sender's BLAKE3 root."""

    code = "root-mismatch"


class RecordLost(IntegrityError):
    """A record was lost or held back on the way."""

    code = "record-lost"


# --- this machine's disk ----------------------------------------------------------------------


class StorageError(TallowError):
    """A file or folder on this machine is in the way."""

    code = "storage"
    exit_code = 8
    default_hint = "Look at the disk and the permissions there, then start again."


class DiskFull(StorageError):
    """The disk is full."""

    code = "disk-full"
    default_hint = "Free some space, or choose another folder with -o DIR, and start again."


class NotWritable(StorageError):
    """The output folder cannot be written."""

    code = "not-writable"
    default_hint = "Choose a folder you may write to with -o DIR."


class SourceUnreadable(StorageError):
    """A source cannot be read."""

    code = "source-unreadable"
    default_hint = "Check the name and its permissions."


class TargetExists(StorageError):
    """The target is there already."""

    code = "target-exists"
    default_hint = "Use --on-conflict rename, skip or overwrite, or another folder with -o DIR."


# --- ends that are not failures of anyone -----------------------------------------------------


class PartlyDone(TallowError):
    """Some files could not be transferred; the rest arrived."""

    code = "partly-done"
    exit_code = 9
    default_hint = "The files that failed are listed above; send those again."


class Cancelled(TallowError):
    """Stopped here."""

    code = "cancelled"
    exit_code = 130
    default_hint = "Start again for a new code."


class Interrupted(Cancelled):
    """Interrupted."""

    code = "interrupted"
    exit_code = 130


class Terminated(Cancelled):
    """Terminated."""

    code = "terminated"
    exit_code = 143
