#!/usr/bin/env python3
"""Reads records of Fastbreak with an independent client, and writes them again for Fastbreak to read.

    interop.py REGISTRY SAMPLES REWRITTEN

SAMPLES has one line of JSON per record: `topic`, `event`, `value` in hex, and `expected`, the event that Fastbreak decodes. The AvroDeserializer
of confluent-kafka decodes each value, which must equal the expected event. REWRITTEN gets one line per record with the values that the
AvroSerializer writes, in hex: `own` with the schema of the topic's subject, `other_doc` with the same schema but a different `doc`, and
`extra_field` with an additional field. The last two schemas are registered under subjects that only this script uses.
Needs `confluent-kafka[avro,schemaregistry]`.
Invariant: the script fails if a record differs, and prints which record and field.
Not here: the records (tests/registry.rs).
"""

import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

UNIONS = {"Double", "MissingReason", "Predicted", "SystemSkip"}


def difference(expected, actual, path):
    """Describes the first difference between two values; returns None if they are equal.

    In Fastbreak's JSON, the value of a union is an object whose only key is the name of the branch. The decoded Avro value lacks this name.
    """
    if isinstance(actual, bytes):
        actual = list(actual)
    if isinstance(expected, dict) and len(expected) == 1:
        (branch,) = expected
        if branch.rsplit(".")[-1] in UNIONS and not (isinstance(actual, dict) and branch in actual):
            return difference(expected[branch], actual, f"{path}.{branch}")
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"{path}: expected the fields {sorted(expected)}, not {sorted(actual)}"
        differences = (difference(expected[name], actual[name], f"{path}.{name}") for name in expected)
        return next(filter(None, differences), None)
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path}: expected {len(expected)} elements, not {len(actual)}"
        pairs = enumerate(zip(expected, actual))
        differences = (difference(*pair, f"{path}[{index}]") for index, pair in pairs)
        return next(filter(None, differences), None)
    is_same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return None if is_same else f"{path}: expected {expected!r}, not {actual!r}"


def serializer(client, schema, subject):
    conf = {"auto.register.schemas": True, "subject.name.strategy": lambda *_: subject}
    return AvroSerializer(client, json.dumps(schema), conf=conf)


class Writers:
    """The serializers of one topic's event."""

    def __init__(self, client, topic, event):
        text = client.get_latest_version(f"{topic}-value").schema.schema_str
        other_doc, extra_field = json.loads(text), json.loads(text)
        other_doc["doc"] = "Another text about the same event."
        extra_field["fields"].insert(0, {"name": "author", "type": "string"})
        own = {"auto.register.schemas": False, "use.latest.version": True}
        self.own = AvroSerializer(client, conf=own)
        self.other_doc = serializer(client, other_doc, f"interop.{event}.other-doc-value")
        self.extra_field = serializer(client, extra_field, f"interop.{event}.extra-field-value")

    def write(self, value, context):
        return {
            "own": self.own(value, context).hex(),
            "other_doc": self.other_doc(value, context).hex(),
            "extra_field": self.extra_field({"author": "another program", **value}, context).hex(),
        }


def main(registry, samples, rewritten):
    client = SchemaRegistryClient({"url": registry})
    deserializer = AvroDeserializer(client)
    writers, wrong = {}, []
    with open(samples) as lines, open(rewritten, "w") as out:
        for number, line in enumerate(lines, 1):
            sample = json.loads(line)
            topic, event = sample["topic"], sample["event"]
            context = SerializationContext(topic, MessageField.VALUE)
            value = deserializer(bytes.fromhex(sample["value"]), context)
            if found := difference(sample["expected"], value, event):
                wrong.append(f"record {number} of {topic}: {found}")
            if topic not in writers:
                writers[topic] = Writers(client, topic, event)
            values = writers[topic].write(value, context)
            print(json.dumps({"topic": topic, "event": event, **values}), file=out)
    if wrong:
        sys.exit("\n".join([f"{len(wrong)} of {number} records differ", *wrong[:20]]))


main(*sys.argv[1:])
