"""Files on a PersistentVolumeClaim: resume, commit, manifest, `keepLast`.

May import `download`, `writer`, `sink` and what these import. Nothing in here follows a symbolic
link, because everybody who can write to the volume can put one there.

Layout
------
::

    /data                                        root, where the claim is mounted
    ├── team/nightly/20261123T020000Z-x.csv      a file, at the path of the schedule's template
    └── .download-operator/
        ├── team.nightly.json                    manifest: the files that the schedule saved
        ├── .team.nightly.<16 hex>.part          partial file: the bytes fetched so far
        ├── .team.nightly.<16 hex>.part.jsonl    its checksum log
        └── .team.nightly.<hex>.<hex>.commit     mark of a file that is committed, but not recorded

A schedule writes files below `team/nightly/` alone, unless the operator's administrator frees the
paths. The folder of the manifests is shared, and whatever a schedule does, the names in there begin
with its own.

`python -m download_worker fetch -o report.csv` puts `.report.csv.<16 hex>.part` and its log beside
`report.csv`, and writes a manifest only for `--only-if-changed`.

Life of a partial file
----------------------
An attempt locks the partial file that it writes to (`flock`). The kernel gives the lock back when
the process dies, so a file that can be locked is not being written to::

                    download succeeds: fsync, rename
        (created) ───────────────────────────────────▶ the file has its name
            │
            │ download fails, or the process is stopped or killed
            ▼
         left behind ── next attempt locks and verifies it ──▶ resume point
            │                                                      │
            │ another URL, no verified bytes, no help twice,       │ server sends the rest (206):
            │ or a newer partial file is used                      │ it is written on
            ▼                                                      ▼
         (removed) ◀── the server sends the whole file ── resume point

It is left behind only if the failure is one that a retry can help, and if the server said something
by which the version can be recognised: a strong ETag, or a modification date at least a second old.
A server that refuses to send the rest is asked for the whole file in the same attempt. An attempt
that gets neither a byte of the rest nor an answer to that is logged. After two such attempts in a
row the file is removed, so that a plain request comes next.

The checksum log is what makes it safe. For every mebibyte it has a line with the number of bytes so
far and their SHA-256. The next attempt hashes the file once and resumes after the longest prefix
that a line confirms, less one byte, so that there is always something to ask for. Everything after
that is discarded.

What survives which crash
-------------------------
The process is killed
    All but the last mebibyte and one buffer of libcurl: the page cache survives, and a log line is
    written for every mebibyte.
The machine crashes
    All but the last five seconds: the partial file, its log and their folder are synced in this
    order every five seconds. If a line is on the disk and its bytes are not, they do not match, and
    only the prefix before them is used.
The disk reports an error at a sync
    Nothing: the kernel reports lost bytes only once, so no attempt resumes with this file.
A crash during the commit
    The whole file under its name, or the file that was there before. The bytes are synced, the name
    is changed, the folder is synced. Only then is the file recorded in the manifest. A file without
    a record stays, and `keepLast` does not count it. By its mark, the next run knows that it may
    replace it.
A crash while the manifest is written
    The old manifest or the new one: it is written beside the old one, synced and renamed.

Several runs of one schedule may write at once. Each has a partial file of its own. The manifest's
folder is locked while a run records its file, and a run whose file another one has replaced in the
meantime does not record it. A lock that another process does not give back is waited for ten
seconds, after the result is reported.
"""
