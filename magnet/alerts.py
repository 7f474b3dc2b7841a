"""Alerts: who wants to know of an event gets a message, by webhook or e-mail, sent until it arrives.

Messages to webhooks follow the Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0):
`webhook-id`, `webhook-timestamp`, and `webhook-signature: v1,<HMAC-SHA256 of "id.timestamp.body">`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone

from magnet import queue
from magnet.errors import FetchFailed, MagnetError
from magnet.models import Delivery, User, Webhook
from magnet.models.webhooks import SECRET_PREFIX, Event
from magnet.outbound.http import OutboundClient

log = structlog.get_logger(__name__)

# While one worker sends, no other one does; a worker that dies leaves the message to the next.
SENDING = timedelta(minutes=2)
SEND_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
GONE = 410
CONSOLE = "django.core.mail.backends.console.EmailBackend"


def tell(event: Event, *, subject: str, text: str, path: str, by_mail: bool = True, **data: Any) -> int:
    """Write a message for everybody who wants to know of `event`; sent after the commit. Returns how many.

    `path` leads to the page about it; `data` is JSON for programs. What happens all day long is not sent by mail.
    """
    payload = {"type": event.value, "timestamp": timezone.now().isoformat(), "url": f"{settings.PUBLIC_URL}{path}"}
    about: dict[str, Any] = {"event": event, "subject": subject[:300], "text": text}
    about["payload"] = {**payload, "data": {"text": text, **data}}
    hooks = Webhook.objects.filter(is_active=True, events__contains=[event.value])
    rows = [Delivery(webhook=hook, **about) for hook in hooks]
    if by_mail and can_send_mail():
        people = User.objects.filter(is_active=True, gets_alerts=True).values_list("email", flat=True)
        rows += [Delivery(email=email, **about) for email in people]
    return _post(rows)


def test(webhook: Webhook) -> Delivery:
    """A message that says nothing, to prove that the address answers."""
    text = f"This is a test of the webhook “{webhook.name}”."
    payload = {"type": Event.TEST.value, "timestamp": timezone.now().isoformat(), "data": {"text": text}}
    return Delivery.objects.create(
        webhook=webhook,
        event=Event.TEST,
        subject="Test",
        text=text,
        payload=payload,
        # Whoever asks for it sends it at once; nobody else does.
        next_attempt_at=timezone.now() + SENDING,
    )


def send_now(delivery: Delivery) -> Delivery:
    """Send one message here and now, and say what came of it."""
    delivery.attempts += 1
    _send(delivery)
    delivery.refresh_from_db()
    return delivery


def send_again(delivery: Delivery) -> None:
    """Start over with a message that was given up, or that arrived and is wanted once more."""
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.WAITING, attempts=0, next_attempt_at=timezone.now(), answer=""
    )
    queue.enqueue("magnet.alerts.send_due")


def _post(rows: list[Delivery]) -> int:
    Delivery.objects.bulk_create(rows)
    if rows:
        queue.enqueue("magnet.alerts.send_due")
    return len(rows)


def can_send_mail() -> bool:
    return bool(settings.EMAIL_BACKEND != CONSOLE)


# -- Sending ---------------------------------------------------------------------------------------------------------


def send_due() -> int:
    """Send what is due, one after the other; returns how many arrived. Called after each event and by the clock."""
    arrived = 0
    while (delivery := _claim()) is not None:
        arrived += _send(delivery)
    return arrived


@transaction.atomic
def _claim() -> Delivery | None:
    """Take the oldest message that is due; the attempt is counted before it is made."""
    due = Delivery.objects.due().select_for_update(skip_locked=True, of=("self",))
    delivery: Delivery | None = due.select_related("webhook").order_by("next_attempt_at").first()
    if delivery is not None:
        delivery.attempts += 1
        delivery.next_attempt_at = timezone.now() + SENDING
        delivery.save(update_fields=["attempts", "next_attempt_at"])
    return delivery


def _send(delivery: Delivery) -> bool:
    try:
        answer = _to_webhook(delivery, delivery.webhook) if delivery.webhook else _by_mail(delivery)
    except (MagnetError, SMTPException, OSError) as error:
        _note_failure(delivery, error)
        return False
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.DELIVERED, delivered_at=timezone.now(), next_attempt_at=None, answer=answer
    )
    return True


def _to_webhook(delivery: Delivery, webhook: Webhook) -> str:
    body = json.dumps(delivery.payload, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **signature(body, secret=webhook.secret, id=str(delivery.pk))}
    with OutboundClient(timeout_seconds=SEND_SECONDS, total_seconds=SEND_SECONDS) as client:
        response = client.send("POST", webhook.url, content=body, headers=headers, max_bytes=MAX_ANSWER_BYTES)
    if response.redirects_to:
        raise FetchFailed(f"{webhook.url} leads to another address ({response.status}). Enter that one.")
    return f"HTTP {response.status}"


def signature(body: bytes, *, secret: str, id: str, at: int | None = None) -> dict[str, str]:
    """The headers with which a receiver proves that a message is ours, and new."""
    timestamp = str(int(time.time()) if at is None else at)
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, b".".join([id.encode(), timestamp.encode(), body]), hashlib.sha256).digest()
    signed = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signed}


def _by_mail(delivery: Delivery) -> str:
    body = f"{delivery.text}\n\n{delivery.payload.get('url', '')}\n"
    # Names of sources are people's, and a line break in a header is refused.
    subject = " ".join(delivery.subject.split())
    send_mail(f"[Magnet] {subject}", body, settings.DEFAULT_FROM_EMAIL, [delivery.email])
    return "handed to the mail server"


def _note_failure(delivery: Delivery, error: Exception) -> None:
    extra: Mapping[str, Any] = getattr(error, "extra", {})
    is_gone = extra.get("remote_status") == GONE
    if is_gone and delivery.webhook:
        # The receiver says that it wants no more.
        Webhook.objects.filter(pk=delivery.webhook.pk).update(is_active=False)
    is_over = is_gone or delivery.attempts > len(Delivery.PAUSES)
    pause = timedelta(seconds=getattr(error, "retry_after_seconds", None) or 0)
    if not is_over:
        pause = max(pause, Delivery.PAUSES[delivery.attempts - 1])
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.FAILED if is_over else Delivery.Status.WAITING,
        next_attempt_at=None if is_over else timezone.now() + pause,
        answer=str(error)[:500],
    )
    log.warning("delivery_failed", delivery=str(delivery.pk), attempts=delivery.attempts, reason=str(error))
