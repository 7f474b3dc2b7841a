"""Files of configuration that are broken or mean harm: refused in a sentence that names the object and the field."""

from __future__ import annotations

import pytest

from magnet import transfer
from magnet.errors import Conflict, InvalidInput, TooLarge
from tests import factories

pytestmark = pytest.mark.django_db

BOMB = "magnet: 1\nx: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "no exported configuration"),
        ("- a", "no exported configuration"),
        ("rag-tools: {}", "does not begin with `magnet: 1`"),
        ("magnet: 2", "has the format 2"),
        ("magnet: true", "has the format True"),
        ("magnet: 1\nspaceships: {a: {}}", "no kind “spaceships”"),
        ("magnet: 1\nproviders: [a]", "each object stands by its slug"),
        ("magnet: 1\nproviders: {a: 5}", "providers/a is not a mapping"),
        ('magnet: 1\nproviders: {a: {name: "x\\0y"}}', "NUL"),
        ('{"magnet": 1, "providers": {"a": {"name": "\\ud800"}}}', "surrogate"),
        ("magnet: 1\nproviders: {a: {timeout_seconds: 1e999}}", "not finite"),
        ("magnet: 1\nproviders: {a: !!python/object:os.system {}}", "never made"),
        ("magnet: 1\nproviders: {a: {b: " + "[" * 1_000 + "]" * 1_000 + "}}", "nested deeper"),
        ('{"magnet": 1, "providers": ' + "[" * 200_000, "not valid JSON"),
        ("magnet: 1\nproviders: {a", "not valid YAML"),
        ("magnet: 1\nproviders: {a: {name: A}, a: {name: B}}", "says “a” twice"),
        ("magnet: 1\nproviders: {a: {name: A}}\nproviders: {b: {name: B}}", "says “providers” twice"),
        ('{"magnet": 1, "providers": {"a": {"name": "A", "name": "B"}}}', "says “name” twice"),
        ("magnet: 1\nproviders: {}\n---\nmagnet: 1\n", "several YAML documents"),
        ('{"magnet": 1, "providers": {"a": {"timeout_seconds": ' + "9" * 5_000 + "}}}", "not valid JSON"),
        ("magnet: 1\nproviders: &a {a: *a}", "alias"),
        (BOMB, "more than 500,000 parts"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_hostile_file_is_refused_in_a_sentence(document, said):
    with pytest.raises(InvalidInput, match=said):
        transfer.plan(transfer.read(document))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("providers: {a: {name: A, kind: openai, colour: red}}", "colour: There is no such field"),
        ("providers: {a: {name: A, kind: warp}}", "no such kind of provider"),
        ("providers: {a: {name: [A], kind: openai}}", "name: This has to be a text"),
        ("providers: {a: {name: null, kind: openai}}", "name: This cannot be empty"),
        ("providers: {a: {name: A, kind: openai, options: [1]}}", "options: This has to be a mapping"),
        ("providers: {a: {name: A, kind: openai, options: {x: 1}}}", "There is no such setting"),
        ("providers: {a: {name: A, kind: openai, is_active: 1}}", "is_active: This has to be true or false"),
        ("providers: {a: {name: A, kind: openai, max_concurrency: 99999999999}}", "max_concurrency"),
        ("providers: {a: {name: A, kind: openai, max_concurrency: " + "9" * 200 + "}}", "max_concurrency"),
        ("providers: {A B: {name: A, kind: openai}}", "slug: Use lower-case"),
        ("models: {a: {name: A, provider: [x]}}", "needs providers/x"),
        ("models: {a: {name: A, provider: 5}}", "provider is the slug"),
        ("models: {a: {name: A, provider: built-in, purpose: chat, model_name: a, input_price: lots}}", "input_price"),
        ("knowledge-sources: {a: {name: A, connector: teleport}}", "no such connector"),
        ("knowledge-sources: {a: {name: A, connector: upload, config: {path: /etc}}}", "config.path"),
        ("prompt-templates: {a: {name: A, live: 5}}", "live: This has to be a mapping"),
        ("prompt-templates: {a: {name: A, live: {prompt: Hi, warp: 1}}}", "warp: There is no such field"),
        ("prompt-templates: {a: {name: A, live: {prompt: Hi, variables: [5]}}}", "variables"),
        ("prompt-templates: {a: {name: A, test_inputs: [1]}}", "test_inputs"),
        ("rag-tools: {a: {name: A, tags: {x: 1}}}", "tags: This has to be a list"),
        ("rag-tools: {a: {name: A, live: {sources: [nothing]}}}", "needs knowledge-sources/nothing"),
        ("rag-tools: {a: {name: A, live: {sources: built-in}}}", "sources"),
        ("api-servers: {a: {name: A, base_url: 5}}", "base_url: This has to be a text"),
        ("api-servers: {a: {name: A, auth_config: {x: 1}}}", "auth_config"),
        ("api-servers: {a: {name: A, secret: {from_env: OPENAI_API_KEY}}}", "Only the key of a provider"),
        ("api-servers: {a: {name: A, encrypted_secrets: abc}}", "encrypted_secrets: There is no such field"),
    ],
)
def test_a_file_with_a_fault_says_which_object_and_which_field(row, said):
    factories.local_embedding()

    plan = transfer.plan(transfer.read(f"magnet: 1\n{row}"))

    assert not plan.is_possible
    assert said in plan.why_not


def test_a_file_of_fifty_megabytes_is_refused_before_it_is_read():
    with pytest.raises(TooLarge, match="larger than 10 MB"):
        transfer.read(b"magnet: 1\n" + b"#" * 50_000_000)


def test_a_plan_is_not_carried_out_when_it_would_do_something_else_by_now():
    objects = transfer.read("magnet: 1\nproviders: {a: {name: A, kind: openai}}")
    seen = transfer.plan(objects).fingerprint
    transfer.apply(objects, seen=seen)

    with pytest.raises(Conflict, match="Look at it once more") as refused:
        transfer.apply(objects, seen=seen)

    assert refused.value.extra["plan"]["counts"]["unchanged"] == 1
    transfer.apply(objects, seen=transfer.plan(objects).fingerprint)
