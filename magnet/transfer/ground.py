"""The kinds of the ground floor: providers, models and prompt templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from magnet import configuration
from magnet.errors import InvalidInput
from magnet.models import AIModel, AuditEntry, PromptTemplate, PromptTestInput, Provider
from magnet.providers import PROVIDERS, provider_kind
from magnet.transfer.kinds import SET_BY_HAND, Described, Kind, Order, misfit
from magnet.transfer.rows import RowKind
from magnet.transfer.versions import VersionedKind, texts_of

MOST_OF_A_NAME = 200


class ProviderKind(RowKind):
    name, model = "providers", Provider
    columns = (
        "name", "kind", "description", "base_url", "options", "timeout_seconds", "max_concurrency",
        "requests_per_minute", "tokens_per_minute", "is_active",
    )  # fmt: skip
    fixed = ("kind",)
    further = ()
    is_tagged = False

    def secret_of(self, row: Provider) -> Any:
        if row.api_key_variable:
            return {"from_env": row.api_key_variable}
        return SET_BY_HAND if row.encrypted_api_key else None

    def settle(self, row: Provider, values: dict[str, Any], given: Described, secret: Any) -> dict[str, Any]:
        settled: dict[str, Any] = {}
        is_known = row.pk is not None
        if is_known and values.get("base_url", row.base_url) != row.base_url:
            # Whoever can change the address must not learn the key that was meant for another one.
            settled = {"api_key_variable": "", "encrypted_api_key": ""}
        has_own_key = bool(row.encrypted_api_key) and "encrypted_api_key" not in settled
        if isinstance(secret, dict) and not has_own_key:
            settled["api_key_variable"] = secret["from_env"]
        return settled

    def prove_settings(self, wanted: Provider) -> None:
        if wanted.kind not in PROVIDERS:
            raise misfit("kind", f"There is no such kind of provider. Use {', '.join(PROVIDERS)}.")
        configuration.prove(provider_kind(wanted.kind).Config, wanted.options, field="options")

    def to_do(self, row: Provider, given: Described) -> Iterator[str]:
        yield from super().to_do(row, given)
        if row.api_key_variable and not settings.PROVIDER_KEYS.get(row.api_key_variable):
            yield f"Set the environment variable {row.api_key_variable} for the provider “{row}”, and restart Magnet."


class ModelKind(RowKind):
    name, model = "models", AIModel
    columns = (
        "name", "provider", "model_name", "purpose", "description", "is_active", "fallback", "context_tokens",
        "max_output_tokens", "can_stream", "can_call_tools", "can_see", "can_follow_schema", "can_reason",
        "takes_temperature", "dimensions", "is_multilingual", "max_input_tokens", "fusion_weight", "score_floor",
        "score_ceiling", "input_price", "cached_input_price", "output_price",
    )  # fmt: skip
    references = {"provider": "providers", "fallback": "models"}
    fixed = ("provider", "purpose")
    later = ("fallback",)
    further = ("is_default",)
    is_tagged = False

    def rows(self) -> Any:
        return super().rows().select_related("provider", "fallback")

    def described_further(self, row: AIModel) -> Described:
        return {"is_default": True} if row.is_default else {}

    def take(self, row: Any, slug: str, given: Described, order: Order) -> Any:
        is_default = given.get("is_default", False)
        if not isinstance(is_default, bool):
            raise misfit("is_default", "This has to be true or false.")
        taken: AIModel = super().take(row, slug, given, order)
        if is_default and not taken.is_default:
            self.take_default(taken, order)
        return taken

    def take_default(self, taken: AIModel, order: Order) -> None:
        """The default of an installation that has chosen none; what people chose here stays."""
        present = AIModel.objects.filter(purpose=taken.purpose, is_default=True).select_related("provider").first()
        if present is not None and not provider_kind(present.provider.kind).is_built_in:
            order.notes.append(f"The default {taken.purpose} model stays “{present}”; in the file it is “{taken}”.")
            return
        taken.make_default()
        AuditEntry.record("made the default", taken)


class PromptTemplateKind(VersionedKind):
    name, model = "prompt-templates", PromptTemplate
    columns = ("name", "description", "category", "notes")
    references = {"ai_model": "models"}
    extras = ("test_inputs",)

    def rows(self) -> Any:
        return super().rows().select_related("live__ai_model", "draft__ai_model")

    def described_extras(self, row: PromptTemplate) -> Described:
        kept = row.test_inputs.order_by("name").values_list("name", "values")
        return {"test_inputs": {name: dict(sorted(values.items())) for name, values in kept}}

    def take_extras(self, row: PromptTemplate, given: Described) -> None:
        known = dict(row.test_inputs.values_list("name", "values"))
        for name, values in texts_of(given.get("test_inputs", {}), name="test_inputs").items():
            if len(name) > MOST_OF_A_NAME:
                raise InvalidInput("The name of a test input has at most 200 characters.")
            if known.get(name) != values:
                PromptTestInput.objects.update_or_create(template=row, name=name, defaults={"values": values})
                AuditEntry.record("kept a test input of", row, name=name)


def ground_kinds() -> tuple[Kind, ...]:
    return ProviderKind(), ModelKind(), PromptTemplateKind()
