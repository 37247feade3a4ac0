#!/usr/bin/env python3
"""Compares the content of two data folders, one written before the renames of topics, fields, values and columns and one after.

    compare.py OLD_DATA OLD_SCHEMAS NEW_DATA NEW_SCHEMAS

Reads the compacted topics of both embedded logs (the newest value of every key, decoded with fastavro) and the tables of both
warehouses, maps the old names and values to the new ones, and compares row by row. Prints the number of rows per table; ends with 0
when all are equal. Hashes of content (`input_version`, `model_version`, `content_hash`) differ in value, because they cover encoded
bytes: they must map one to one.
"""

import io
import json
import sqlite3
import struct
import sys
from pathlib import Path

import fastavro

TOPICS = {"core.quoted.v1": "core.quoted-players.v1"}
FIELDS = {
    "heard": "provenance", "steps": "revisions", "answers": "matches", "hindsight": "retrospective",
    "reported_hindsight": "reported_retrospective", "marks": "quality_flags", "rung": "line_offset",
    "rungs": "line_ladder", "rungs_not_made": "omitted_line_offsets", "spread": "stddev_points",
    "without": "missing_adjustments",
}
VALUES = {"Hindsight": "Retrospective"}
COLUMNS = dict(FIELDS, said="content_hash")
TEXTS = {"hindsight": "retrospective", "ever": "-infinity"}
HASHES = {"input_version", "model_version", "content_hash", "batch_id", "epoch", "partition", "offset"}


def schemas(folder):
    """Schema id (the first 31 bits of the BLAKE3 hash of its text) to parsed schema: found by trying, since ids are in the records."""
    return {path.stem: fastavro.parse_schema(json.loads(path.read_text())) for path in Path(folder).glob("*.avsc")}


def records(db, topic, partition):
    rows = db.execute(
        "SELECT base, bytes FROM {} c JOIN topic t ON t.id = c.topic WHERE t.name = ? AND partition = ? ORDER BY base".format(batch_table(db)),
        (topic, partition))
    for base, data in rows:
        at = 0
        while at < len(data):
            at += 4
            (size,) = struct.unpack_from("<H", data, at)
            key = data[at + 2:at + 2 + size].decode()
            at += 2 + size
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
            if size == 0xFFFFFFFF:
                yield key, None
            else:
                yield key, data[at:at + size]
                at += size


def batch_table(db):
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return next(name for name in ("record_batch", "chunk") if name in names)


def renamed(value):
    if isinstance(value, dict):
        return {FIELDS.get(key, key): renamed(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [renamed(inner) for inner in value]
    return VALUES.get(value, value) if isinstance(value, str) else value


def listed(value):
    if isinstance(value, dict):
        return {key: listed(inner) for key, inner in value.items()}
    return [listed(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def table(data, topic, schema):
    with sqlite3.connect(f"file:{data}/log.db?mode=ro", uri=True) as db:
        newest = {}
        for partition in range(6):
            for key, value in records(db, topic, partition):
                if value is None:
                    newest.pop(key, None)
                else:
                    newest[key] = value
    return {key: fastavro.schemaless_reader(io.BytesIO(value[5:]), schema) for key, value in newest.items()}


class OneToOne:
    def __init__(self):
        self.forth, self.back = {}, {}

    def maps(self, name, old, new):
        return self.forth.setdefault((name, old), new) == new and self.back.setdefault((name, new), old) == old


def compare_topics(arguments):
    old_data, old_schemas, new_data, new_schemas = arguments
    old_parsed, new_parsed = schemas(old_schemas), schemas(new_schemas)
    events = {
        "core.names.v1": "names", "core.games.v1": "game", "core.team-games.v1": "team-game", "core.player-games.v1": "player-game",
        "core.markets.v1": "market", "core.availability.v1": "availability", "core.quoted.v1": "quoted",
        "ml.team-forms.v1": "team-form", "ml.slate-entries.v1": "slate-entry", "ml.features.v1": "features",
        "ml.predictions.v1": "prediction",
    }
    wrong, one_to_one = 0, OneToOne()
    for topic, event in events.items():
        new_event = {"quoted": "quoted-players"}.get(event, event)
        old = table(old_data, topic, old_parsed[f"{event}.v1"])
        new = table(new_data, TOPICS.get(topic, topic), new_parsed[f"{new_event}.v1"])
        different = []
        for key in old.keys() | new.keys():
            a, b = renamed(old.get(key)), listed(new.get(key))
            for revision in a["revisions"] if event == "player-game" and a else []:
                revision["stats"] = revision.pop("line")
            for hashed in ("input_version", "model_version"):
                if a and b and hashed in a and hashed in b and one_to_one.maps(hashed, a[hashed], b[hashed]):
                    a, b = dict(a, **{hashed: 0}), dict(b, **{hashed: 0})
            if a != b:
                different.append((key, a, b))
        print(f"{topic}: {len(old)} rows before, {len(new)} after, {len(different)} differ")
        for row in different[:2]:
            print("  ", *row, sep="\n   ")
        wrong += len(different)
    return wrong


def text(value):
    if isinstance(value, str):
        for old, new in TEXTS.items():
            if value == old:
                return new
        if value[:1] and value[:1] in "[{":
            return json.dumps(renamed(json.loads(value)), sort_keys=True)
    return value


def rows(data, name, key, columns):
    with sqlite3.connect(f"file:{data}/warehouse.db?mode=ro", uri=True) as db:
        # `NOT deleted` keeps live rows; a deleted row has its key only.
        found = db.execute(f"SELECT {', '.join(chr(34) + c + chr(34) for c in columns)} FROM {name}")
        return {tuple(row[columns.index(k)] for k in key): dict(zip(columns, row)) for row in found}


def columns_of(data, name):
    with sqlite3.connect(f"file:{data}/warehouse.db?mode=ro", uri=True) as db:
        return [row[1] for row in db.execute(f"PRAGMA table_info({name})")]


RENAMED_COLUMNS = json.loads((Path(__file__).parent / "columns.json").read_text()) if (Path(__file__).parent / "columns.json").exists() else {}


def compare_warehouse(old_data, new_data):
    keys = {
        "player_prop_predictions": ["game_id", "player_id", "system", "rung"], "player_slate": ["game_id", "player_id"],
        "player_games": ["game_id", "player_id"], "features": ["game_id", "player_id"],
    }
    wrong, one_to_one = 0, OneToOne()
    for name, key in keys.items():
        mapping = dict(COLUMNS, **RENAMED_COLUMNS.get(name, {}))
        old_columns = columns_of(old_data, name)
        new_columns = [mapping.get(column, column) for column in old_columns]
        there = columns_of(new_data, RENAMED_COLUMNS.get("tables", {}).get(name, name))
        if sorted(new_columns) != sorted(there):
            print(f"{name}: columns differ: {set(new_columns) ^ set(there)}")
            wrong += 1
            new_columns = [column for column in new_columns if column in there]
            old_columns = [column for column in old_columns if mapping.get(column, column) in there]
        old = rows(old_data, name, key, old_columns)
        new = rows(new_data, RENAMED_COLUMNS.get("tables", {}).get(name, name), [mapping.get(k, k) for k in key], new_columns)
        different = []
        for row in old.keys() | new.keys():
            if row not in old or row not in new:
                different.append((row, row in old, row in new))
                continue
            for a, b in zip(old_columns, new_columns):
                x, y = text(old[row][a]), text(new[row][b])
                x, y = (text(x), json.dumps(json.loads(y), sort_keys=True)) if isinstance(y, str) and y[:1] and y[:1] in "[{" else (x, y)
                if x != y and not (b in HASHES and (b in ("epoch", "partition", "offset", "batch_id") or one_to_one.maps(b, x, y))):
                    different.append((row, a, x, y))
        print(f"warehouse {name}: {len(old)} rows before, {len(new)} after, {len(different)} differ")
        for row in different[:5]:
            print("  ", *row)
        wrong += len(different)
    return wrong


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    wrong = compare_topics(sys.argv[1:]) + compare_warehouse(sys.argv[1], sys.argv[3])
    print("equal" if wrong == 0 else f"{wrong} differences")
    sys.exit(wrong != 0)
