"""The only writer of received files: temporary names, held folders, a name when the root matched.

A file grows under a random temporary name beside its target, in a folder that is held by its
handle; it gets its final name only after every leaf was written and the root agreed, and "done"
is said only after everything is durable. What this session made and did not finish is removed;
nothing else ever is. Called from lane threads; names come from target.py.
Before: engine/lane.py. Spec: docs/protocol.md §9.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.durability import (
    CAN_SYNC_FILE_SYSTEM,
    sync_file,
    sync_file_system,
)
from tallow.engine.storage.folder import (
    Folder,
    default_file_mode,
    open_folder,
    storage_error,
)
from tallow.engine.storage.held import HeldFolders, Parts
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.pages import JournalPages
from tallow.engine.storage.sink import Named, Policy, Status
from tallow.engine.storage.target import Target
from tallow.errors import LocalProtocolError, NotWritable, StorageError
from tallow.protocol.manifest import Entry, EntryKind, Selection
from tallow.protocol.transfer.jobs import StoreLeaves, StorePack
from tallow.wire import limits


@dataclass(slots=True)
class _Part:
    above: Parts
    name: str
    descriptor: int | None
    writers: int = 0
    given_up: bool = False


class Inbox:
    """Writes an accepted selection below one folder."""

    in_order = False

    def __init__(
        self,
        target: Target,
        policy: Policy,
        random_bytes: Callable[[int], bytes],
        journal_key: Callable[[], bytes],
    ) -> None:
        """``journal_key`` is asked only if a journal is needed: small transfers write none."""
        if target.folder is None:
            raise LocalProtocolError("An inbox needs a folder.")
        self._target = target
        self._policy: Policy = policy
        self._random_bytes = random_bytes
        self._folders = HeldFolders(open_folder(target.folder))
        self._stream_mode = default_file_mode()
        self._parts: dict[int, _Part] = {}
        self._given_up: set[int] = set()
        self._touched: set[Parts] = set()
        self._selection: Selection | None = None
        self._small_files = False
        self._pages = JournalPages(self._folders, random_bytes, journal_key)
        self._lock = threading.RLock()

    def begin(self, head: JournalHead) -> None:
        """Note which transfer this is."""
        self._pages.head = head

    # --- writing ------------------------------------------------------------------------------

    def prepare(self, selection: Selection) -> None:
        """Make the accepted folders."""
        self._selection = selection
        for file_no in selection:
            if _is_folder(self._target.manifest.entry(file_no)):
                parts = self._target.parts(file_no)
                try:
                    with self._folders.borrow(parts):
                        self._touched.add(parts[:-1])
                except OSError as error:
                    raise storage_error(error, self._shown(file_no)) from None

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Hash and write leaves at their offset."""
        hashes = [leaf_hash(leaf) for leaf in job.leaves]
        try:
            with self._writing(job.file_no) as part:
                if part is None:
                    return hashes
                at = job.offset
                for leaf in job.leaves:
                    _write_at(_must_be_open(part), leaf, at)
                    at += len(leaf)
                self._pages.written(job.file_no, job.first_leaf, hashes)
        except OSError as error:
            raise storage_error(error, self._shown(job.file_no)) from None
        return hashes

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Hash and write small files whole."""
        hashes = []
        for file_no, content in job.files:
            hashes.append(leaf_hash(content))
            try:
                with self._writing(file_no) as part:
                    if part is not None:
                        self._store_whole(part, file_no, content)
            except OSError as error:
                raise storage_error(error, self._shown(file_no)) from None
        return hashes

    def _store_whole(self, part: _Part, file_no: int, content: memoryview) -> None:
        _write_at(_must_be_open(part), content, 0)
        if not CAN_SYNC_FILE_SYSTEM:
            sync_file(_must_be_open(part))
        with self._folders.borrow(part.above) as folder:
            self._finish_part(folder, part, self._target.manifest.entry(file_no))
        self._small_files = True

    # --- ending a file ------------------------------------------------------------------------

    def give_name(self, file_no: int) -> Named:
        """Give a file its final name, by the conflict policy."""
        entry = self._target.manifest.entry(file_no)
        try:
            part = self._part(file_no)
            with self._folders.borrow(part.above) as folder:
                if part.descriptor is not None:
                    # A large file must survive a power cut by itself; packs share one sync.
                    sync_file(part.descriptor)
                    self._finish_part(folder, part, entry)
                status, chosen = self._choose_name(folder, part, self._target.parts(file_no)[-1])
        except OSError as error:
            raise storage_error(error, self._shown(file_no)) from None
        with self._lock:
            self._touched.add(part.above)
            del self._parts[file_no]
        self._pages.named(file_no)
        return Named(status, "/".join((*part.above, chosen)))

    def _choose_name(self, folder: Folder, part: _Part, wanted: str) -> tuple[Status, str]:
        if self._policy == "overwrite":
            if folder.is_folder(wanted):
                raise NotWritable(f"{wanted} is a folder and stays.")
            folder.replace(part.name, wanted)
            return "done", wanted
        if folder.name_exclusively(part.name, wanted):
            return "done", wanted
        if self._policy == "skip":
            folder.remove(part.name)
            return "skipped", wanted
        return "renamed", self._next_free(folder, part, wanted)

    def _next_free(self, folder: Folder, part: _Part, taken: str) -> str:
        stem, dot, suffix = taken.rpartition(".")
        if not stem:
            stem, dot, suffix = taken, "", ""
        for number in range(1, 10_000):
            candidate = f"{stem} ({number}){dot}{suffix}"
            if len(candidate.encode()) > limits.COMPONENT_MAX_BYTES:
                break
            if folder.name_exclusively(part.name, candidate):
                return candidate
        raise StorageError(f"No free name is left beside {taken}.", hint="Choose another folder.")

    def _finish_part(self, folder: Folder, part: _Part, entry: Entry) -> None:
        with self._lock:
            # From here on nobody duplicates it, so nobody meets a number that is used again.
            descriptor, part.descriptor = _must_be_open(part), None
        os.close(descriptor)
        if entry.kind is EntryKind.FILE:
            folder.set_times(part.name, entry.mode, entry.mtime_ns)
        else:
            folder.set_mode(part.name, self._stream_mode)

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
            # A duplicate stays valid if the file is finished meanwhile.
            open_now = [part.descriptor for part in self._parts.values()]
            waiting = [os.dup(number) for number in open_now if number is not None]
        try:
            while waiting:
                descriptor = waiting.pop()
                try:
                    sync_file(descriptor)
                finally:
                    os.close(descriptor)
            self._pages.write(noted)
        except OSError as error:
            raise storage_error(error, "what arrived") from None
        finally:
            for descriptor in waiting:
                os.close(descriptor)

    def finish(self) -> None:
        """Set folder times, then bring names and small files to the disk."""
        try:
            self._pages.remove()
            self._set_folder_times()
            self._sync_names()
        except OSError as error:
            raise storage_error(error, "what arrived") from None
        self._folders.close()

    def _set_folder_times(self) -> None:
        manifest = self._target.manifest
        listed = [no for no in (self._selection or ()) if _is_folder(manifest.entry(no))]
        # From the inside out: a folder that may not be entered any more is done by then.
        for file_no in reversed(listed):
            entry, parts = manifest.entry(file_no), self._target.parts(file_no)
            if parts in self._folders.made:
                with self._folders.borrow(parts[:-1]) as above:
                    above.set_times(parts[-1], entry.mode, entry.mtime_ns)

    def _sync_names(self) -> None:
        with self._folders.borrow(()) as root:
            if self._small_files and sync_file_system(root):
                return
        for parts in sorted(self._touched):
            with self._folders.borrow(parts) as folder:
                folder.sync()

    def abandon(self) -> None:
        """Remove every temporary file of this session; nothing else is touched."""
        with self._lock:
            parts, self._parts = list(self._parts.values()), {}
        for part in parts:
            self._drop(part)
        try:
            self._pages.remove()
        except OSError:
            # What ended the session is worth saying; this is not.
            pass
        self._folders.close()

    # --- within -------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, file_no: int) -> Iterator[_Part | None]:
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

    def _part(self, file_no: int) -> _Part:
        with self._lock:
            part = self._parts.get(file_no)
            if part is None:
                above = self._target.parts(file_no)[:-1]
                name = f".tallow-{self._random_bytes(8).hex()}.part"
                with self._folders.borrow(above) as folder:
                    descriptor = folder.create(name)
                part = self._parts[file_no] = _Part(above, name, descriptor)
                self._pages.opened(file_no, above, name)
            return part

    def _drop(self, part: _Part) -> None:
        with self._lock:
            descriptor, part.descriptor = part.descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        try:
            with self._folders.borrow(part.above) as folder:
                folder.remove(part.name)
        except OSError:
            # The folder itself is gone or unreadable now: there is nothing left to tidy.
            return

    def _shown(self, file_no: int) -> str:
        return "/".join(self._target.parts(file_no))


def _is_folder(entry: Entry) -> bool:
    return entry.kind is EntryKind.FOLDER


def _must_be_open(part: _Part) -> int:
    if part.descriptor is None:
        raise LocalProtocolError("A finished file was written again.")
    return part.descriptor


def _write_at(descriptor: int, content: memoryview, offset: int) -> None:
    while content:
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, content, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            written = os.write(descriptor, content)
        content = content[written:]
        offset += written
