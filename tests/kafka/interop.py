#!/usr/bin/env python3
"""An independent client reads what Fastbreak wrote, and writes what Fastbreak reads.

    interop.py REGISTRY SAMPLES ANSWERS

SAMPLES has a line of JSON a record: `topic`, `event`, `value` in hex, and `expected`, the event as Fastbreak reads it. Each is decoded by
confluent-kafka's AvroDeserializer and compared; ANSWERS gets a line a record with what its AvroSerializer makes of the decoded value, in hex:
`own` under the topic's subject, `worded` under a subject of this script with the schema in other words, `more` with a field more.
Needs `confluent-kafka[avro,schemaregistry]`.
Invariant: every difference is an error that names the record.
Not here: the records (tests/registry.rs).
"""

import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

UNIONS = {"Double", "MissingReason", "Predicted", "SystemSkip"}


def difference(expected, actual, path):
    """Where two values differ, or nothing. Fastbreak's JSON names the branch of a union of its own, Avro's values do not."""
    if isinstance(actual, bytes):
        actual = list(actual)
    if isinstance(expected, dict) and len(expected) == 1:
        (branch,) = expected
        if branch.rsplit(".")[-1] in UNIONS and not (isinstance(actual, dict) and branch in actual):
            return difference(expected[branch], actual, f"{path}.{branch}")
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"{path}: fields {sorted(expected)} against {sorted(actual)}"
        found = (difference(expected[name], actual[name], f"{path}.{name}") for name in expected)
        return next(filter(None, found), None)
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path}: {len(expected)} elements against {len(actual)}"
        found = (difference(one, other, f"{path}[{at}]") for at, (one, other) in enumerate(zip(expected, actual)))
        return next(filter(None, found), None)
    is_same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return None if is_same else f"{path}: {expected!r} against {actual!r}"


def serializer(client, schema, subject):
    conf = {"auto.register.schemas": True, "subject.name.strategy": lambda *_: subject}
    return AvroSerializer(client, json.dumps(schema), conf=conf)


class Writers:
    """The serializers of one topic's event."""

    def __init__(self, client, topic, event):
        text = client.get_latest_version(f"{topic}-value").schema.schema_str
        worded, more = json.loads(text), json.loads(text)
        worded["doc"] = "the same in other words"
        more["fields"].insert(0, {"name": "author", "type": "string"})
        own = {"auto.register.schemas": False, "use.latest.version": True}
        self.own = AvroSerializer(client, conf=own)
        self.worded = serializer(client, worded, f"interop.{event}.worded-value")
        self.more = serializer(client, more, f"interop.{event}.more-value")

    def write(self, value, context):
        return {
            "own": self.own(value, context).hex(),
            "worded": self.worded(value, context).hex(),
            "more": self.more({"author": "somebody else", **value}, context).hex(),
        }


def main(registry, samples, answers):
    client = SchemaRegistryClient({"url": registry})
    deserializer = AvroDeserializer(client)
    writers, wrong = {}, []
    with open(samples) as lines, open(answers, "w") as out:
        for number, line in enumerate(lines, 1):
            sample = json.loads(line)
            topic, event = sample["topic"], sample["event"]
            context = SerializationContext(topic, MessageField.VALUE)
            value = deserializer(bytes.fromhex(sample["value"]), context)
            found = difference(sample["expected"], value, event)
            if found:
                wrong.append(f"record {number} of {topic}: {found}")
            if topic not in writers:
                writers[topic] = Writers(client, topic, event)
            answer = writers[topic].write(value, context)
            print(json.dumps({"topic": topic, "event": event, **answer}), file=out)
    if wrong:
        sys.exit("\n".join([f"{len(wrong)} of {number} records differ", *wrong[:20]]))


main(*sys.argv[1:])
