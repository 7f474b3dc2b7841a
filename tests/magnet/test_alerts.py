"""Webhooks and e-mails: signed, sent until they arrive, never twice at once, and no more to who says no."""

import base64
import hashlib
import hmac
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from magnet import alerts
from magnet.models import Delivery, User, Webhook
from magnet.models.webhooks import Event

pytestmark = pytest.mark.django_db(transaction=True)


class Receiver(ThreadingHTTPServer):
    """Another system on loopback that notes what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver(settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def webhook(receiver):
    hook = Webhook(name="Pager", url=receiver.url, events=["sync.failed"])
    hook.renew_secret()
    hook.save()
    return hook


def tell(event=Event.SYNC_FAILED) -> int:
    return alerts.tell(event, subject="“Wiki” does not sync", text="The token was refused.", path="/admin/x", run="1")


def test_a_message_is_signed_so_that_the_receiver_can_prove_it(webhook, receiver):
    tell()
    assert alerts.send_due() == 1

    ((headers, body),) = receiver.got
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told = json.loads(body)
    assert (told["type"], told["data"]["text"], told["data"]["run"]) == ("sync.failed", "The token was refused.", "1")
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.answer, headers["webhook-id"]) == ("delivered", "HTTP 200", str(delivery.pk))


def test_the_signature_is_that_of_the_published_example():
    """The example of https://github.com/standard-webhooks/standard-webhooks (libraries' test vector, 2026-11-22)."""
    headers = alerts.signature(
        b'{"test": 2432232314}',
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_only_who_asked_for_an_event_is_told(webhook, receiver):
    assert tell(Event.SYNC_RECOVERED) == 0
    Webhook.objects.update(is_active=False)
    assert tell() == 0


def test_a_message_of_a_change_that_is_rolled_back_is_never_sent(webhook, receiver):
    with transaction.atomic():
        tell()
        transaction.set_rollback(True)

    assert alerts.send_due() == 0
    assert receiver.got == []


@pytest.mark.parametrize("status", [500, 503, 404, 301, 302])
def test_a_receiver_that_is_down_gets_it_later(webhook, receiver, status):
    receiver.status, receiver.headers = status, {"Location": "/elsewhere"}
    tell()
    assert alerts.send_due() == 0
    waiting = Delivery.objects.get()
    assert (waiting.status, waiting.attempts) == ("waiting", 1)
    assert waiting.next_attempt_at > timezone.now()
    assert alerts.send_due() == 0
    assert len(receiver.got) == 1

    receiver.status = 204
    Delivery.objects.update(next_attempt_at=timezone.now())
    assert alerts.send_due() == 1


def test_a_receiver_that_says_when_to_come_back_is_left_in_peace_until_then(webhook, receiver):
    receiver.status, receiver.headers = 429, {"Retry-After": "7200"}
    tell()
    alerts.send_due()
    assert (Delivery.objects.get().next_attempt_at - timezone.now()).total_seconds() > 7_000


def test_after_the_last_attempt_it_is_given_up_and_can_be_sent_again(webhook, receiver, owner):
    receiver.status = 500
    tell()
    for _attempt in range(len(Delivery.PAUSES) + 1):
        Delivery.objects.update(next_attempt_at=timezone.now())
        alerts.send_due()
    given_up = Delivery.objects.get()
    assert (given_up.status, len(receiver.got)) == ("failed", 7)

    receiver.status = 200
    page = owner.get(reverse("admin:magnet_delivery_change", args=[given_up.pk]))
    assert "Given up" in page.content.decode()
    owner.post(reverse("admin:magnet_delivery_send_again", args=[given_up.pk]))
    assert alerts.send_due() == 1


def test_a_receiver_that_is_gone_for_good_is_switched_off(webhook, receiver):
    receiver.status = 410
    tell()
    alerts.send_due()
    webhook.refresh_from_db()
    assert (webhook.is_active, Delivery.objects.get().status) == (False, "failed")


def test_no_private_address_is_called(webhook, receiver, settings):
    settings.ALLOWED_PRIVATE_HOSTS = []
    tell()
    assert alerts.send_due() == 0
    assert receiver.got == []
    assert Delivery.objects.get().answer


def test_two_workers_send_each_message_once(webhook, receiver):
    from django.db import connections

    for _message in range(20):
        tell()

    def work():
        alerts.send_due()
        connections.close_all()

    workers = [threading.Thread(target=work) for _worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == len(receiver.got) == 20


def test_people_who_want_alerts_get_an_e_mail(settings):
    User.objects.create_user("ann@example.com", gets_alerts=True)
    User.objects.create_user("bob@example.com")
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    Delivery.objects.all().delete()
    assert tell() == 1
    Delivery.objects.update(subject="“Wi\nki” does not sync")
    assert alerts.send_due() == 1

    (message,) = mail.outbox
    assert message.to == ["ann@example.com"]
    assert "does not sync" in message.subject
    assert "/admin/x" in message.body


def test_without_a_mail_server_nobody_waits_for_an_e_mail(settings):
    settings.EMAIL_BACKEND = alerts.CONSOLE
    User.objects.create_user("ann@example.com", gets_alerts=True)
    assert tell() == 0


def test_staff_make_a_webhook_see_its_secret_and_send_a_test(receiver, owner):
    made = owner.post(
        reverse("admin:magnet_webhook_add"),
        {"name": "Pager", "url": receiver.url, "events": ["sync.failed"]},
        follow=True,
    )
    webhook = Webhook.objects.get()
    assert webhook.secret in made.content.decode()

    tested = owner.post(reverse("admin:magnet_webhook_test", args=[webhook.pk]), follow=True)
    assert "It arrived: HTTP 200." in tested.content.decode()
    receiver.status = 500
    tested = owner.post(reverse("admin:magnet_webhook_test", args=[webhook.pk]), follow=True)
    assert "It did not arrive." in tested.content.decode()
    assert owner.get(reverse("admin:magnet_delivery_changelist")).status_code == 200
    assert owner.get(reverse("admin:magnet_webhook_changelist")).status_code == 200


def test_the_test_button_on_the_page_sends_a_test_and_saves_nothing(webhook, receiver, owner):
    """A browser ignores a form inside a form, so what the button does is what the button itself says."""
    page = owner.get(reverse("admin:magnet_webhook_change", args=[webhook.pk])).content.decode()
    form = page[page.index('id="webhook_form"') : page.index("</form>", page.index('id="webhook_form"'))]
    assert "<form" not in form
    (button,) = (tag for tag in re.findall(r"<button[^>]*>(?:(?!</button>).)*</button>", form) if "Send a test" in tag)
    sends_to = re.search(r'type="submit" formaction="([^"]+)"', button)
    assert sends_to is not None

    typed = {"name": "Half typed", "url": "", "events": ["sync.failed"]}
    assert "It arrived: HTTP 200." in owner.post(sends_to[1], typed, follow=True).content.decode()
    assert len(receiver.got) == 1
    webhook.refresh_from_db()
    assert webhook.name == "Pager"


def test_an_address_that_is_none_is_refused_in_the_form(owner):
    page = owner.post(
        reverse("admin:magnet_webhook_add"), {"name": "Pager", "url": "ftp://x", "events": ["sync.failed"]}
    )
    assert page.status_code == 200
    assert not Webhook.objects.exists()


def test_who_may_only_look_sees_no_secret(webhook, member):
    assert member("Analyst").get(reverse("admin:magnet_webhook_secret", args=[webhook.pk])).status_code == 403


def test_a_secret_that_nobody_can_decrypt_any_more_holds_up_no_other_message(webhook, receiver):
    lost = Webhook.objects.create(name="Lost", url=receiver.url, events=["sync.failed"], encrypted_secret="lost")
    tell()

    assert alerts.send_due() == 1

    failed = Delivery.objects.get(webhook=lost)
    assert (failed.status, failed.attempts) == ("waiting", 1)
    assert "cannot be decrypted" in failed.answer
