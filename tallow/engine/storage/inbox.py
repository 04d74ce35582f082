"""The only writer of received files: temporary names, held folders, a name when the root matched.

A file grows under a random temporary name beside its target, in a folder that is held by its
handle; it gets its final name only after every leaf was written and the root agreed, and "done"
is said only after everything is durable. A session may go on with the parts that an earlier one
left, which are hashed again. What is not to be gone on with is removed; nothing else ever is.
Called from lane threads, again with the same job after a full disk; names come from target.py.
Before: engine/lane.py. After: parts.py, pages.py. Spec: docs/protocol.md §9.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tallow.crypto.tree import leaf_hash, zero_leaf_hash
from tallow.engine.compression import expand_leaf, expand_pack
from tallow.engine.storage.durability import (
    CAN_SYNC_FILE_SYSTEM,
    sync_file,
    sync_file_system,
)
from tallow.engine.storage.final_name import take_final_name
from tallow.engine.storage.finishing import add_xattrs, finish_part, set_folder_times, settle
from tallow.engine.storage.folder import (
    Folder,
    default_file_mode,
    open_folder,
    storage_error,
)
from tallow.engine.storage.held import HeldFolders, Parts
from tallow.engine.storage.journal import FileNamed, JournalHead, PartOpened, entry_tag
from tallow.engine.storage.linking import make_links
from tallow.engine.storage.losses import Losses
from tallow.engine.storage.pages import JournalPages, Noted
from tallow.engine.storage.parts import Part, part_name
from tallow.engine.storage.resumed import Resumed as Resumed
from tallow.engine.storage.resumed import find_resumed as find_resumed
from tallow.engine.storage.sink import Named, Policy
from tallow.engine.storage.target import Target
from tallow.errors import LocalProtocolError, StorageError
from tallow.protocol.bulk import Codec
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Entry, EntryKind, Selection, travels_packed
from tallow.protocol.messages import Xattrs
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack
from tallow.wire import limits


class Inbox:
    """Writes an accepted selection below one folder."""

    in_order = False

    def __init__(
        self,
        target: Target,
        policy: Policy,
        random_bytes: Callable[[int], bytes],
        journal_key: Callable[[], bytes],
        decided: Mapping[int, Policy] | None = None,
        *,
        resumed: Resumed | None = None,
    ) -> None:
        """``journal_key`` is asked only if a journal is needed: small transfers write none.

        ``decided`` holds what a person said about single files, against the policy; ``resumed``
        is what find_resumed found for this very list.
        """
        if target.folder is None:
            raise LocalProtocolError("An inbox needs a folder.")
        self._target = target
        self._policy: Policy = policy
        self._decided = decided or {}
        self._resumed = resumed
        self._random_bytes = random_bytes
        self._folders = HeldFolders(open_folder(target.folder))
        self._stream_mode = default_file_mode()
        self._parts: dict[int, Part] = {}
        self._announced: dict[int, str] = {}
        self._given_up: set[int] = set()
        self._touched: set[Parts] = set()
        self._selection: Selection | None = None
        self._small_files = self._small_unsynced = False
        self._pages = JournalPages(self._folders, random_bytes, journal_key)
        self._losses = Losses()
        self._lock = threading.RLock()

    @property
    def journal_name(self) -> str:
        """What the journal is called in the output folder, or will be; "" before ``begin``."""
        return self._pages.name

    def begin(self, head: JournalHead) -> None:
        """Note which transfer this is."""
        self._pages.begin(head)

    # --- writing ------------------------------------------------------------------------------

    def prepare(self, selection: Selection) -> None:
        """Make the accepted folders, and take over what an earlier session left."""
        self._selection = selection
        if self._resumed is not None:
            try:
                self._take_over(self._resumed, selection)
            except OSError as error:
                raise storage_error(error, "an unfinished transfer") from None
        for file_no in self._target.numbers(selection, EntryKind.FOLDER):
            parts = self._target.parts(file_no)
            try:
                with self._folders.borrow(parts):
                    self._touched.add(parts[:-1])
            except OSError as error:
                raise storage_error(error, self._shown(file_no)) from None

    def _take_over(self, resumed: Resumed, selection: Selection) -> None:
        """Open the parts to go on with; what else stands in the journal is of no use any more."""
        kept = {no: part for no, part in resumed.parts.items() if no in selection}
        opened = [
            PartOpened(no, list(part.above), part.name, entry_tag(self._target.manifest.entry(no)))
            for no, part in kept.items()
        ]
        self._pages.take_over(resumed.journal_name, resumed.state, resumed.journal_bytes, opened)
        self._folders.made |= resumed.state.made
        for place in resumed.state.opened - {(part.above, part.name) for part in kept.values()}:
            self._folders.remove_file(*place)
        for file_no, state in kept.items():
            try:
                with self._folders.borrow(state.above, make=False) as folder:
                    descriptor = folder.open_own(state.name)
            except OSError:
                # Its leaves cannot be read, so they differ, so they are asked for once more.
                continue
            part = Part(state.above, state.name, descriptor, adopted=True)
            self._parts[file_no] = part
            if self._target.manifest.entry(file_no).kind is EntryKind.STREAM:
                part.cut((state.ranges[-1][1] + 1) * limits.STREAM_LEAF_BYTES)

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Expand, hash and write leaves at their offset; of a hole only the hash is made."""
        plain = [None if leaf.codec is Codec.HOLE else expand_leaf(leaf) for leaf in job.leaves]
        hashes = [
            zero_leaf_hash(leaf.plain_bytes) if content is None else leaf_hash(content)
            for leaf, content in zip(job.leaves, plain, strict=True)
        ]
        size = self._target.manifest.entry(job.file_no).size
        try:
            with self._writing(job.file_no) as part:
                if part is None:
                    return hashes
                at = job.offset
                for leaf, content in zip(job.leaves, plain, strict=True):
                    if content is None:
                        part.leave_hole(at, leaf.plain_bytes, size)
                    else:
                        part.write(content, at)
                    at += leaf.plain_bytes
                self._pages.written(job.file_no, job.first_leaf, hashes)
        except OSError as error:
            raise storage_error(error, self._shown(job.file_no)) from None
        return hashes

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Expand a block, hash and write its small files whole."""
        block = expand_pack(job.codec, job.stored, job.plain_bytes)
        self._announce([file_no for file_no, _ in job.files])
        hashes, at = [], 0
        for file_no, length in job.files:
            content = block[at : at + length]
            at += length
            hashes.append(leaf_hash(content))
            try:
                with self._writing(file_no) as part:
                    if part is not None and not part.finished:
                        self._store_whole(part, file_no, content)
            except OSError as error:
                raise storage_error(error, self._shown(file_no)) from None
        return hashes

    def _store_whole(self, part: Part, file_no: int, content: memoryview) -> None:
        if part.descriptor is not None:
            part.write(content, 0)
            if not CAN_SYNC_FILE_SYSTEM:
                sync_file(part.descriptor)
        with self._folders.borrow(part.above) as folder:
            self._finish_part(folder, part, self._target.manifest.entry(file_no))
        self._small_files = self._small_unsynced = True

    def check_leaves(self, job: CheckLeaves) -> list[bytes]:
        """Hash leaves as they stand on the disk; b"" for each that cannot be read."""
        if job.file_no not in self._parts:
            return [b""] * len(job.lengths)
        with self._writing(job.file_no) as part:
            if part is None or part.descriptor is None:
                return [b""] * len(job.lengths)
            return part.hashes(job.offset, job.lengths)

    # --- ending a file ------------------------------------------------------------------------

    def give_name(self, file_no: int, xattrs: Xattrs = ()) -> Named:
        """Give a file its attributes and its final name, by the conflict policy."""
        entry = self._target.manifest.entry(file_no)
        try:
            part = self._part(file_no)
            with self._folders.borrow(part.above) as folder:
                lost = NotKept(names=self._target.changed(file_no))
                if part.descriptor is not None:
                    part.check_name(folder, self._shown(file_no))
                    lost += settle(part, entry, xattrs)
                elif xattrs:
                    lost += add_xattrs(folder, part, entry, xattrs)
                self._finish_part(folder, part, entry)
                status, chosen = take_final_name(
                    folder,
                    part.name,
                    self._target.parts(file_no)[-1],
                    self._policy_of(file_no),
                    resumed=self._resumed is not None,
                )
        except OSError as error:
            raise storage_error(error, self._shown(file_no)) from None
        with self._lock:
            self._touched.add(part.above)
            del self._parts[file_no]
        named = FileNamed(file_no, entry_tag(entry), list(part.above), chosen)
        self._pages.named(named, at_once=not travels_packed(entry))
        self._losses.add(lost)
        return Named(status, "/".join((*part.above, chosen)))

    def _finish_part(self, folder: Folder, part: Part, entry: Entry) -> None:
        with self._lock:
            # From here on nobody duplicates it, so nobody meets a number that is used again.
            part.close()
        self._losses.add(finish_part(folder, part, entry, self._stream_mode))

    def discard(self, file_no: int) -> None:
        """Remove what is here of a file that failed, once nobody writes it any more."""
        with self._lock:
            self._given_up.add(file_no)
            part = self._parts.pop(file_no, None)
            if part is not None:
                part.given_up = True
            unused = part is not None and not part.writers
        self._pages.forget(file_no)
        if part is not None and unused:
            self._drop(part)

    # --- durability ---------------------------------------------------------------------------

    def make_durable(self) -> None:
        """Sync the files that are being written, then list what is durable (group commit)."""
        with self._lock:
            noted = self._pages.take()
            small, self._small_unsynced = self._small_unsynced, False
            # A duplicate stays valid if the file is finished meanwhile.
            open_now = [part.descriptor for part in self._parts.values()]
            waiting = [os.dup(number) for number in open_now if number is not None]
        try:
            self._sync_and_list(noted, waiting, small_files=small)
        except (OSError, StorageError) as error:
            # None of it may be listed later without another sync.
            self._small_unsynced |= small
            self._pages.put_back(noted)
            if isinstance(error, StorageError):
                raise
            raise storage_error(error, "what arrived") from None

    def _sync_and_list(self, noted: Noted, waiting: list[int], *, small_files: bool) -> None:
        try:
            while waiting:
                descriptor = waiting.pop()
                try:
                    sync_file(descriptor)
                finally:
                    os.close(descriptor)
            if small_files:
                with self._folders.borrow(()) as root:
                    sync_file_system(root)
            self._pages.write(noted)
        finally:
            for descriptor in waiting:
                os.close(descriptor)

    def finish(self) -> None:
        """Make links, set folder times, bring all to the disk; nothing is left to resume."""
        try:
            links = self._target.numbers(self._selection or (), EntryKind.LINK)
            self._touched |= {self._target.parts(file_no)[:-1] for file_no in links}
            where = self._folders, self._target
            self._losses.add(make_links(*where, links, self._policy_of, self._random_bytes))
            folders = self._target.numbers(self._selection or (), EntryKind.FOLDER)
            self._losses.add(set_folder_times(*where, folders))
            self._sync_names()
            self._pages.remove()
        except OSError as error:
            raise storage_error(error, "what arrived") from None
        self._folders.close()

    def not_kept(self) -> NotKept:
        """Return what of the offer could not be kept on this disk."""
        return self._losses.total

    def _sync_names(self) -> None:
        with self._folders.borrow(()) as root:
            if self._small_files and sync_file_system(root):
                return
        for parts in sorted(self._touched):
            with self._folders.borrow(parts) as folder:
                folder.sync()

    def abandon(self, *, keep: bool) -> bool:
        """End early; return whether anything stays that a later session can go on with.

        To keep it, what is written is synced and listed once more. Otherwise, or if nothing is
        listed, every temporary file of this session is removed. Nothing else is ever touched.
        """
        kept = keep and self._list_rest()
        with self._lock:
            parts, self._parts = self._parts, {}
        for file_no, part in parts.items():
            if kept and file_no in self._pages.listed:
                part.close()
            else:
                self._drop(part)
        if kept:
            self._pages.close()
        else:
            try:
                self._pages.remove()
            except OSError:
                # What ended the session is worth saying; this is not.
                pass
        self._folders.close()
        return kept

    def _list_rest(self) -> bool:
        try:
            self.make_durable()
        except StorageError:
            # What was listed before still is.
            pass
        return self._pages.is_worth_keeping

    # --- within -------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, file_no: int) -> Iterator[Part | None]:
        """Hold a part open while a thread writes to it; None if its file was given up."""
        with self._lock:
            part = None if file_no in self._given_up else self._part(file_no)
            if part is not None:
                part.writers += 1
        try:
            yield part
        finally:
            if part is not None:
                with self._lock:
                    part.writers -= 1
                    unused = part.given_up and not part.writers
                if unused:
                    self._drop(part)

    def _part(self, file_no: int) -> Part:
        with self._lock:
            part = self._parts.get(file_no)
            if part is None:
                self._announce([file_no])
                name = self._announced.pop(file_no)
                above = self._target.parts(file_no)[:-1]
                with self._folders.borrow(above) as folder:
                    descriptor = folder.create(name)
                part = self._parts[file_no] = Part(above, name, descriptor)
            return part

    def _announce(self, file_nos: Sequence[int]) -> None:
        """List temporary names before they are made: a kill leaves no stranger."""
        with self._lock:
            new = [no for no in file_nos if no not in self._parts and no not in self._announced]
            names = {no: part_name(self._random_bytes) for no in new}
            self._announced |= names
        parts, entry = self._target.parts, self._target.manifest.entry
        self._pages.opening(
            PartOpened(no, list(parts(no)[:-1]), name, entry_tag(entry(no)))
            for no, name in names.items()
        )

    def _drop(self, part: Part) -> None:
        with self._lock:
            part.close()
        self._folders.remove_file(part.above, part.name)

    def _policy_of(self, file_no: int) -> Policy:
        return self._decided.get(file_no, self._policy)

    def _shown(self, file_no: int) -> str:
        return "/".join(self._target.parts(file_no))
