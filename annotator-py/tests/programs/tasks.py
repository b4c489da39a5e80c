"""A Celery application that is metered."""

import os

from celery import Celery

import meterd
import meterd.celery

app = Celery("tasks", broker=os.environ["BROKER"])
folders = ("data_folder_in", "data_folder_out", "control_folder")
app.conf.broker_transport_options = dict.fromkeys(folders, os.environ["QUEUES"])
app.conf.worker_proc_alive_timeout = 60
meterd.celery.install(app)
# Before the fork of the pool.
meterd.record("celery", "loaded", tenant="nobody")


@app.task
@meterd.meter(resource="celery", feature="task")
def work(number: int) -> int:
    return number
