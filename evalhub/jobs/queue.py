"""The queue only knocks: a message carries a row's number, and losing or doubling it costs nothing but time."""

import logging

from celery import current_app
from django.utils import timezone
from kombu.exceptions import ChannelError
from kombu.exceptions import OperationalError as BrokerError

from evalhub.jobs.lifecycle import State, rows_of
from evalhub.jobs.models import Lived

logger = logging.getLogger(__name__)
QUEUE = "cpu"


def tell_queue(model: type[Lived], pk: int) -> None:
    """Tell the queue that a row is worth a look: the task `perform` of its room.

    With the broker away nothing is lost: the sweep knocks again.
    """
    if not rows_of(model).filter(pk=pk, state=State.QUEUED).update(sent_at=timezone.now()):
        return
    task = f"evalhub.{model._meta.app_label}.tasks.perform"
    try:
        current_app.send_task(task, (pk,), queue=QUEUE, retry=False)
    except (BrokerError, ChannelError, OSError) as error:
        logger.warning("The queue could not be told of %s %s: %s", model._meta.model_name, pk, error)
