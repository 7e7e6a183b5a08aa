"""Answers that were to be JSON, and are almost."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.chat import Choice, Completion, FinishReason, Usage
from turnpike.domain.healing import heal_completion, heal_text, heals, is_json
from turnpike.domain.json_schemas import conforms

OBJECT: Mapping[str, Any] = {"type": "json_object"}

MENDED = {
    # From the plugin's documentation.
    '{"name": "Alice", "age": 30': '{"name": "Alice", "age": 30}',
    '```json\n{"name": "Bob"}\n```': '{"name": "Bob"}',
    'Here\'s the data you requested:\n{"name": "Charlie", "age": 25}': '{"name": "Charlie", "age": 25}',
    '{"name": "David", "age": 35,}': '{"name": "David", "age": 35}',
    '{name: "Eve", age: 40}': '{"name": "Eve", "age": 40}',
    # Brackets.
    'Answer: {"a": [1, {"b": [2, 3': '{"a": [1, {"b": [2, 3]}]}',
    '{"a": [1, 2, "b": 3}': '{"a": [1, 2],"b": 3}',
    '{"a": [1, 2}, "b": 3}': '{"a": [1, 2], "b": 3}',
    '{"a": [{"b": 1], "c": 2}': '{"a": [{"b": 1}], "c": 2}',
    '{"a": {"b": 1}}, "c": 2}': '{"a": {"b": 1}, "c": 2}',
    '{"a": [1, 2]], "b": 2}': '{"a": [1, 2], "b": 2}',
    '{"a": 1]': '{"a": 1}',
    '{"a": 1}}}': '{"a": 1}',
    '{{"a": 1}}': '{"a": 1}',
    # Commas.
    '{"a": [1, 2,], "b": {"c": 1,},}': '{"a": [1, 2], "b": {"c": 1}}',
    '{"a": 1\n "b": "x"\n "c": [1 2 "y" "z"]}': '{"a": 1,\n "b": "x",\n "c": [1, 2, "y", "z"]}',
    '{, "a": "x",, "b": [, 1,, 2]}': '{"a": "x", "b": [1, 2]}',
    # Keys and quotes.
    "{'a': 'it\\'s', 'b': 'it's', 'c': 'say \"x\"'}": '{"a": "it\'s", "b": "it\'s", "c": "say \\"x\\""}',
    '{\u201ca\u201d: \u2018b\u2019, \u201cc": \u201cd"}': '{"a": "b", "c": "d"}',
    "{$a: 1, b-c: 2, 3: 4}": '{"$a": 1, "b-c": 2, "3": 4}',
    '{"a": "he said "hi" to me", "b": ["so "they" say"]}': (
        '{"a": "he said \\"hi\\" to me", "b": ["so \\"they\\" say"]}'
    ),
    '{"a": "he said "hi", then left", "b": 1}': '{"a": "he said \\"hi\\", then left", "b": 1}',
    # Strings.
    '{"a": "one\ntwo\tthree\x01"}': '{"a": "one\\ntwo\\tthree\\u0001"}',
    '{"a": "C:\\dir \\alpha \\u12 \\u00e9"}': '{"a": "C:\\\\dir \\\\alpha \\\\u12 \\u00e9"}',
    '{"doc": "```py\nprint({})\n```",}': '{"doc": "```py\\nprint({})\\n```"}',
    # Scalars.
    '{"a": True, "b": None, "c": FALSE, "d": NaN, "e": undefined}': (
        '{"a": true, "b": null, "c": false, "d": null, "e": null}'
    ),
    '{"a": .5, "b": 5., "c": +3, "d": -1_000, "e": -.5e3}': '{"a": 0.5, "b": 5.0, "c": 3, "d": -1000, "e": -0.5e3}',
    # Comments and spaces.
    '{"a": 1, // one\n "b": /* two */ 2 // end\n}': '{"a": 1, "b": 2}',
    '\ufeff{\u00a0"a": 1}': '{"a": 1}',
    # Around it.
    '```\n{"a": 1\n```\nI hope that "this" helps: {}': '{"a": 1}',
    'Use {name} for [1] as in [see below]: {"name": "x"}. Done!': '{"name": "x"}',
    '<think>{"draft": 1}</think>\n{"final": [1, 2,]}': '{"final": [1, 2]}',
}


@pytest.mark.parametrize("text", MENDED)
def test_it_is_mended(text: str) -> None:
    healed = heal_text(text, OBJECT)
    assert healed is not None
    assert json.loads(healed) == json.loads(MENDED[text])


UNSURE = [
    "",
    "I cannot answer that.",
    "[1, 2, 3",
    # Cut: in a string, in a word, after a colon or a comma.
    '{"a": "cut',
    '{"a": "cut}',
    '{"a": tru',
    '{"a": 12e',
    '{"a": 12.',
    '{"a":',
    '{"a": 1,',
    '{"a": [1, {"b": 2},',
    '{"a"',
    '{"a": {"b": 1}, "c',
    '{"a": "", "',
    # Nothing that can be read for sure; a piece inside that can be is not the answer.
    '{"a": @, "b": {"c": 1}}',
    '{"a": 007}',
    '{"a": b}',
    '{"a" "b"}',
    '{"a": 1 and more}',
    # An array where an object was asked for, and its pieces.
    '[{"a": 1}, {"b": 2},]',
    "{see below}",
    "{" * 5000,
    "[" * 5000 + "{}",
]


@pytest.mark.parametrize("text", UNSURE)
def test_it_stays(text: str) -> None:
    assert heal_text(text, OBJECT) is None


def test_a_schema_chooses_among_what_is_there() -> None:
    text = 'Example: {"name": "Jane Q. Public", "price": "none"} so here: {"name": "x", "price": 2,} ok'
    schema = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "p", "schema": schema}}
    assert heal_text(text, wanted) == '{"name": "x", "price": 2}'
    # Without one, the longest is taken; and one that nothing conforms to does not stop the mending.
    assert heal_text(text, OBJECT) == '{"name": "Jane Q. Public", "price": "none"}'
    assert heal_text('{"name": "x",}', wanted) == '{"name": "x"}'
    assert heal_text("[1, 2,]", wanted) is None
    arrays = {"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "array"}}}
    assert heal_text("They are [1, 2,]", arrays) == "[1, 2]"
    assert heal_text("[1, 2,]", {"type": "json_schema", "json_schema": {"name": "p"}}) == "[1, 2]"


# --- what holds for every text ---

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
# Looking ahead for the end of a key goes no further than 400 characters, escapes included.
KEYS = st.text(max_size=30)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)
OBJECTS = st.dictionaries(KEYS, VALUES, min_size=1)
JUNK = st.text() | st.lists(
    st.sampled_from(
        [*"{}[]:,\"'\\/`\n\u201c\u201d", "```", '"a"', '"a":', "1", "true", "a", " ", "//", "/*", "*/", "-"]
    )
).map("".join)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_valid_json_is_never_changed(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert heal_text(text, OBJECT) is text


@given(JUNK)
def test_junk_becomes_json_or_stays(text: str) -> None:
    healed = heal_text(text, OBJECT)
    assert healed is None or is_json(healed)


@given(OBJECTS, st.sampled_from([None, 1]), st.sampled_from(["", "Sure!\n", "```json\n", "It is (as asked):\n\n```\n"]))
def test_what_stands_in_prose_is_found_as_it_is(value: Any, indent: int | None, before: str) -> None:
    text = json.dumps(value, indent=indent)
    assert heal_text(f"{before}{text}\n```\nAnything else?", OBJECT) == text


@given(OBJECTS)
def test_what_lacks_its_last_brackets_gets_them(value: Any) -> None:
    text = json.dumps({"last": {"in": [value]}})
    for missing in range(1, 5):
        healed = heal_text(text[:-missing], OBJECT)
        assert healed is not None
        assert json.loads(healed) == {"last": {"in": [value]}}


@given(OBJECTS, st.data())
def test_what_was_cut_elsewhere_is_a_prefix_or_nothing(value: Any, data: st.DataObject) -> None:
    """Whatever is closed holds nothing that was not there."""
    text = json.dumps(value)
    cut = data.draw(st.integers(0, len(text) - 1))
    healed = heal_text(text[:cut], OBJECT)
    assert healed is None or text.startswith(healed.rstrip("]}"))


@given(VALUES.filter(lambda value: not isinstance(value, float)))
def test_python_is_understood(value: Any) -> None:
    text = repr({"value": value})
    healed = heal_text(text, OBJECT)
    # Python escapes what JSON cannot, such as `\x85`: that stays visible instead of being lost.
    assert healed is None or "\\x" in text or "\\U" in text or json.loads(healed) == {"value": value}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "' + 'x" ' * 100_000,
        '{"a": [' + '"x", ' * 60_000,
        "{" + '"' * 200_000,
        '["' + " " * 100_000 + '"' * 100_000,
        '{"a": "' + '",' * 100_000,
        '{"a": ' + "[" * 100_000,
        "/*" * 100_000,
        "{/*" * 60_000,
        "[//" * 60_000,
        '{"a":1}' * 40_000,
        "'\\" * 100_000,
        "{'" + "\\'" * 100_000,
    ],
)
def test_the_time_it_takes_is_linear(text: str) -> None:
    began = time.process_time()
    heal_text(text, OBJECT)
    assert time.process_time() - began < 3


# --- whole answers ---


def completion(*contents: Any, finish: FinishReason = "stop") -> Completion:
    choices = [
        Choice(index, {"role": "assistant", "content": content}, finish, finish)
        for index, content in enumerate(contents)
    ]
    return Completion(choices, Usage(1, 1))


def test_a_completion_is_healed_choice_by_choice() -> None:
    answer = completion('{"a": 1}', "{a: 1,}", None, "no")
    healed, count = heal_completion(answer, {"response_format": OBJECT})

    assert count == 1
    assert [choice.message["content"] for choice in healed.choices] == ['{"a": 1}', '{"a": 1}', None, "no"]
    assert healed.usage == answer.usage
    assert answer.choices[1].message["content"] == "{a: 1,}"


def test_what_needs_no_healing_is_the_same_object() -> None:
    answer = completion('{"a": 1}', "no")
    assert heal_completion(answer, {"response_format": OBJECT}) == (answer, 0)
    assert heal_completion(answer, {"response_format": OBJECT})[0] is answer


def test_what_the_limit_cut_is_not_made_to_look_whole() -> None:
    answer = completion('{"a": 1', finish="length")
    assert heal_completion(answer, {"response_format": OBJECT}) == (answer, 0)


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [(None, False), ({"type": "text"}, False), ({"type": "json_object"}, True), ({"type": "json_schema"}, True)],
)
def test_it_is_for_answers_in_json(response_format: Any, expected: bool) -> None:
    assert heals({} if response_format is None else {"response_format": response_format}) is expected


# --- schemas ---

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}, "kind": {"enum": ["a", "b"]}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {"$ref": "#/$defs/node", "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"name": "x", "age": 3.0, "kind": "a"}, PERSON, True),
        ({"name": "x", "age": None}, PERSON, True),
        ({"name": "x", "age": 3.5}, PERSON, False),
        ({"name": "x", "age": True}, PERSON, False),
        ({"name": "x", "kind": "c"}, PERSON, False),
        ({"name": "x", "more": 1}, PERSON, False),
        ({"age": 1}, PERSON, False),
        ([[], [[]]], TREE, True),
        ([[], [1]], TREE, False),
        (1, {"anyOf": [{"type": "string"}, {"const": 1}]}, True),
        (2, {"anyOf": [{"type": "string"}, {"const": 1}]}, False),
        ({"a": 1}, {"allOf": [{"required": ["a"]}, {"required": ["b"]}]}, False),
        (1, {"type": "unheard-of", "required": 5, "properties": [], "enum": 1, "$ref": "#/nowhere", "anyOf": {}}, True),
        (1, True, True),
        (1, {"allOf": [False]}, False),
    ],
)
def test_conforming(value: Any, schema: Any, expected: bool) -> None:
    assert conforms(value, schema) is expected


def test_a_schema_that_refers_to_itself_ends() -> None:
    loop: dict[str, Any] = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "allOf": [{"$ref": "#"}]}
    conforms({"a": 1}, loop)
