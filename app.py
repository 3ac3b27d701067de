"""Everything that AWS invokes in Darkroom."""

import sys
from pathlib import Path
from typing import Any

from chalice import Rate
from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib import bootstrap, logs
from chalicelib.api.application import Application
from chalicelib.api.authorizer import authorize, authorizers
from chalicelib.api.batch import batch_routes
from chalicelib.api.catalogs import CATALOG_ROUTES
from chalicelib.api.comfyui import comfyui_routes
from chalicelib.api.generate import generate_routes
from chalicelib.api.jobs import job_routes
from chalicelib.api.keys import key_routes
from chalicelib.api.posts import post_routes
from chalicelib.api.results import result_routes
from chalicelib.api.run_messages import deliver
from chalicelib.api.schedules import schedule_routes
from chalicelib.api.usage import usage_routes
from chalicelib.bootstrap import services
from chalicelib.config import handler

logs.configure()

app = Application(app_name="darkroom")

# `chalice deploy` cannot create the tables, the network and the instances.
if Path(sys.argv[0]).name == "chalice" and "deploy" in sys.argv:
    raise SystemExit("Darkroom is deployed with `make deploy STAGE=…`; see docs/deployment.md")

for routes in (
    generate_routes,
    post_routes,
    result_routes,
    batch_routes,
    job_routes,
    schedule_routes,
    key_routes,
    usage_routes,
    comfyui_routes,
    *CATALOG_ROUTES,
    authorizers,
):
    app.register_blueprint(routes)
app.refuse_the_rest()
app.demand_key(authorize)


# infra/, which declares the queue, replaces the ARN.
@app.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:replaced-by-infra", batch_size=1, name="worker"
)
def work(event: SQSEvent) -> None:
    context: Any = event.context
    logs.begin(context)
    for message in event:
        seconds = context.get_remaining_time_in_millis() / 1000
        services().worker.work(message.body, remaining_seconds=seconds)


# infra/ replaces this ARN, too.
@app.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:replaced-by-infra", batch_size=10, name="runs"
)
def run(event: SQSEvent) -> dict[str, Any]:
    logs.begin(event.context)
    return deliver(event, services().runs.deliver)


@app.on_cw_event(
    {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]},
    name="reclaim",
)
def reclaim(event: CloudWatchEvent) -> None:
    logs.begin(event.context)
    services().fleet.reclaim(event.detail["instance-id"])


@app.schedule(Rate(1, unit=Rate.MINUTES), name="reconciler")
def reconcile(event: CloudWatchEvent) -> None:
    logs.begin(event.context)
    services().reconciler.reconcile()


bootstrap.prepare(handler)
