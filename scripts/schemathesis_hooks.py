"""What schemathesis must not do: end the key that it works with, which it finds in the list of keys."""

import os

import schemathesis

OWN_KEY = os.environ["METERD_API_KEY"].split("_")[1]


@schemathesis.hook
def filter_case(context, case):
    return case.method == "GET" or (case.path_parameters or {}).get("id") != OWN_KEY
