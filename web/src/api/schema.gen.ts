// Made by scripts/types.mjs of docs/openapi.json: change that, and run `npm run types`.
import type { JsonObject } from "@/lib/json";
import type { Quantity } from "@/lib/number";

export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process runs
         * @description For whoever starts it again when it does not.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/healthz"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     with urllib.request.urlopen(os.environ["METERD_URL"] + "/healthz") as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["get_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Metrics of the process
         * @description For Prometheus. Not here where `METERD_METRICS_LISTEN` names another address.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/metrics"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import os
         *     import urllib.request
         *
         *     with urllib.request.urlopen(os.environ["METERD_URL"] + "/metrics") as answer:
         *         print(answer.read().decode())
         *     ```
         */
        get: operations["get_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process can do its work
         * @description For whoever sends it requests: a load balancer, an orchestrator.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/readyz"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     with urllib.request.urlopen(os.environ["METERD_URL"] + "/readyz") as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["get_readiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/aggregates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Add up usage
         * @description Per window and group, exact; without `group_by`, over everything the key may see. Windows begin
         *     where the time zone says. An answer has at most 50,000 rows; with `Accept: application/x-ndjson` or
         *     `text/csv` it has all there are, without `totals`, and is not whole if it breaks off. Needs the scope
         *     `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/aggregates" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -d window=day -d timezone=Asia/Kolkata -d group_by=tenant_id,feature \
         *       -d from=2025-11-19T18:30:00Z -d to=2025-11-21T18:30:00Z
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.parse
         *     import urllib.request
         *
         *     query = urllib.parse.urlencode(
         *         {
         *             "window": "day",
         *             "timezone": "Asia/Kolkata",
         *             "group_by": "tenant_id,feature",
         *             "from": "2025-11-19T18:30:00Z",
         *             "to": "2025-11-21T18:30:00Z",
         *         }
         *     )
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/aggregates?" + query,
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_aggregates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List alerts
         * @description The newest 1,000: a limit reached its threshold, once per window. A key that is bound to a tenant
         *     sees this tenant's. Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/alerts?tenant_id=org_001" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/alerts?tenant_id=org_001",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_alerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the audit log
         * @description What administrators did, latest first; a caller that is bound to a tenant sees what concerns this
         *     tenant. Needs the scope `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/audit?limit=10" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/audit?limit=10",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_audit_log"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/dead-letters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List dead letters
         * @description Records that the log has and that cannot count, with the reason and what can be done. Latest first.
         *     Those of which not even the tenant can be read are shown to keys without a tenant. Needs the scope
         *     `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/dead-letters" \
         *       -H "Authorization: Bearer $METERD_API_KEY" -d state=open -d limit=10
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/dead-letters?state=open&limit=10",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_dead_letters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/dead-letters/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Discard a dead letter
         * @description It stays in the list of those that were discarded. Doing it again changes nothing. Needs the scope
         *     `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/dead-letters?limit=1" \
         *       -H "Authorization: Bearer $METERD_API_KEY" | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])')
         *     curl --fail-with-body --request DELETE "$METERD_URL/v1/meter/dead-letters/$id" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     URL = os.environ["METERD_URL"] + "/v1/meter/dead-letters"
         *     HEADERS = {"Authorization": "Bearer " + os.environ["METERD_API_KEY"]}
         *
         *     with urllib.request.urlopen(urllib.request.Request(URL, headers=HEADERS)) as answer:
         *         letter = json.load(answer)["data"][0]
         *     request = urllib.request.Request(f"{URL}/{letter['id']}", method="DELETE", headers=HEADERS)
         *     urllib.request.urlopen(request).close()
         *     ```
         */
        delete: operations["discard_dead_letter"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/dead-letters/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Replay a dead letter
         * @description Appends its event to the log again, changed as the body says, with another id that is the same for
         *     every attempt: after a 503, and whenever an answer is lost, send the same request again. Needs the
         *     scope `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/dead-letters?limit=1" \
         *       -H "Authorization: Bearer $METERD_API_KEY" | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])')
         *     curl --fail-with-body "$METERD_URL/v1/meter/dead-letters/$id/replay" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"quantity": 1}'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     URL = os.environ["METERD_URL"] + "/v1/meter/dead-letters"
         *     HEADERS = {
         *         "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *         "Content-Type": "application/json",
         *     }
         *
         *     with urllib.request.urlopen(urllib.request.Request(URL, headers=HEADERS)) as answer:
         *         letter = json.load(answer)["data"][0]
         *     change = json.dumps({"quantity": 1}).encode()
         *     request = urllib.request.Request(f"{URL}/{letter['id']}/replay", data=change, headers=HEADERS)
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        post: operations["replay_dead_letter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/decisions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show a decision
         * @description What was asked with this id, what was answered, and the limits as they stood at its position in
         *     the log. Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(python3 -c 'import uuid; print(uuid.uuid4())')
         *     curl --fail-with-body --silent "$METERD_URL/v1/meter/validate" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d "{\"tenant_id\": \"org_003\", \"feature\": \"tokens\", \"mode\": \"consume\", \"id\": \"$id\"}" > /dev/null
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/decisions/$id" \
         *       -H "Authorization: Bearer $METERD_API_KEY" -d tenant_id=org_003
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *     import uuid
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     decision = str(uuid.uuid4())
         *     call(
         *         "POST",
         *         "/v1/meter/validate",
         *         {"tenant_id": "org_003", "feature": "tokens", "mode": "consume", "id": decision},
         *     )
         *     answer = call("GET", f"/v1/meter/decisions/{decision}?tenant_id=org_003")
         *     print(json.dumps(answer, indent=2))
         *     ```
         */
        get: operations["get_decision"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List events
         * @description Newest first, those between `from` and `to`; without them, of the last 24 hours. Only events that
         *     count are here. A page may be short and have a `next_cursor` all the same; the end is where that
         *     is null. All pages show what there was when the first one was read. A condition on metadata is
         *     written `metadata.KEY=VALUE`, at most eight times. With `Accept: application/x-ndjson` or `text/csv`
         *     all of them come in one answer, without `limit` and `cursor`; if it breaks off, it is not whole.
         *     In CSV, a text that a spreadsheet would take for a formula has a `'` before it. Needs the scope
         *     `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/events" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -d tenant_id=org_001 -d metadata.user=u_123 \
         *       -d from=2025-11-20T00:00:00Z -d to=2025-11-21T00:00:00Z
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.parse
         *     import urllib.request
         *
         *     query = urllib.parse.urlencode(
         *         {
         *             "tenant_id": "org_001",
         *             "metadata.user": "u_123",
         *             "from": "2025-11-20T00:00:00Z",
         *             "to": "2025-11-21T00:00:00Z",
         *         }
         *     )
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/events?" + query,
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_events"];
        put?: never;
        /**
         * Send events
         * @description One event, a list of them, or `{"events": […]}`. The answer comes when the log has made them
         *     durable, and says of each event whether it was accepted. An event counts once, however often its
         *     `tenant_id` and `id` are sent. Needs the scope `ingest`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/events" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{
         *         "id": "0193a5b0-7c1d-7000-8000-0000000000e1",
         *         "tenant_id": "org_001",
         *         "resource": "billing",
         *         "feature": "invoice_generate",
         *         "quantity": 1,
         *         "timestamp": "2025-11-20T10:31:00Z",
         *         "metadata": {"user": "u_123"}
         *       }'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     events = [
         *         {
         *             "id": "0193a5b0-7c1d-7000-8000-0000000000e1",
         *             "tenant_id": "org_001",
         *             "resource": "billing",
         *             "feature": "invoice_generate",
         *             "quantity": 1,
         *             "timestamp": "2025-11-20T10:31:00Z",
         *             "metadata": {"user": "u_123"},
         *         }
         *     ]
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/events",
         *         data=json.dumps(events).encode(),
         *         headers={
         *             "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *             "Content-Type": "application/json",
         *         },
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        post: operations["ingest_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/events/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follow events live
         * @description Server-sent events: each event that counts once it is persisted, as JSON, in the order of the log
         *     (that of one tenant is the order in which its events were accepted). Each has an `id` that says how
         *     far the stream is; sent as `Last-Event-ID`, it makes another request go on there without loss or
         *     repeat. A stream that is quiet for 15 seconds says so, with an `id` and without data. `event:
         *     dropped` names events that do not come, because the client is too slow (`"reason": "behind"`) or was
         *     away for longer than the log is kept (`trimmed`); `after` is the `id` behind which they are. It ends
         *     when the key is deleted or expires, or the server stops. Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --no-buffer --silent "$METERD_URL/v1/meter/events/stream" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -d tenant_id=org_001 --get | head -n 4
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import itertools
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/events/stream?tenant_id=org_001",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         for line in itertools.islice(answer, 4):
         *             print(line.decode().rstrip())
         *     ```
         */
        get: operations["follow_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/events/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show an event and its way
         * @description When it was received, where it is in the log, when it was persisted, and the windows it counts in.
         *     Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/events/0193a5b0-7c1d-7000-8000-0000000000e1" \
         *       -H "Authorization: Bearer $METERD_API_KEY" -d tenant_id=org_001
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/events/0193a5b0-7c1d-7000-8000-0000000000e1?tenant_id=org_001",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["get_event"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List API keys
         * @description Newest first, without the deleted ones; a caller that is bound to a tenant sees this tenant's.
         *     Secrets are shown once, when a key is made. Needs the scope `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/keys?limit=10" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/keys?limit=10",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_keys"];
        put?: never;
        /**
         * Create an API key
         * @description When this is answered every service lets the key in. Its secret is shown this once. A caller that
         *     is bound to a tenant makes keys of this tenant. Needs the scope `admin`; in the audit log as
         *     `key.create`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/keys" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"name": "billing service", "scopes": ["ingest"], "tenant_id": "org_001"}'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     key = call(
         *         "POST",
         *         "/v1/meter/keys",
         *         {"name": "billing service", "scopes": ["ingest"], "tenant_id": "org_001"},
         *     )
         *     print(json.dumps(key, indent=2))
         *     ```
         */
        post: operations["create_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show an API key
         * @description Without its secret. Needs the scope `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/keys" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"name": "for a while", "scopes": ["read"]}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
         *     curl --fail-with-body "$METERD_URL/v1/meter/keys/$id" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     key = call("POST", "/v1/meter/keys", {"name": "for a while", "scopes": ["read"]})
         *     print(json.dumps(call("GET", "/v1/meter/keys/" + key["id"]), indent=2))
         *     ```
         */
        get: operations["get_key"];
        put?: never;
        post?: never;
        /**
         * Delete an API key
         * @description Every service refuses it at the latest five seconds after this is answered. Needs the scope
         *     `admin`; in the audit log as `key.delete`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/keys" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"name": "for a while", "scopes": ["read"]}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
         *     curl --fail-with-body --request DELETE "$METERD_URL/v1/meter/keys/$id" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     key = call("POST", "/v1/meter/keys", {"name": "for a while", "scopes": ["read"]})
         *     call("DELETE", "/v1/meter/keys/" + key["id"])
         *     ```
         */
        delete: operations["delete_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/keys/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate an API key
         * @description Makes a key that may do the same, for as long; the old one goes on for `overlap_seconds`, a day
         *     unless said, so that whoever uses it has time to change. When this is answered every service lets
         *     the new key in. Its secret is shown this once. Needs the scope `admin`; in the audit log as
         *     `key.rotate` and `key.create`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/keys" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"name": "rotated", "scopes": ["ingest"]}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
         *     curl --fail-with-body "$METERD_URL/v1/meter/keys/$id/rotate" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"overlap_seconds": 3600}'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     URL = os.environ["METERD_URL"] + "/v1/meter/keys"
         *     HEADERS = {
         *         "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *         "Content-Type": "application/json",
         *     }
         *
         *
         *     def post(url, body):
         *         request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=HEADERS)
         *         with urllib.request.urlopen(request) as answer:
         *             return json.load(answer)
         *
         *
         *     old = post(URL, {"name": "rotated", "scopes": ["ingest"]})
         *     new = post(f"{URL}/{old['id']}/rotate", {"overlap_seconds": 3600})
         *     print(json.dumps(new, indent=2))
         *     ```
         */
        post: operations["rotate_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/quotas": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List quotas
         * @description All of them, a change that was answered included. A key that is bound to a tenant sees this
         *     tenant's and those of every tenant. Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/quotas" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/quotas",
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_quotas"];
        /**
         * Set a quota
         * @description A quota of the same tenant, feature, resource and period is replaced. When this is answered the
         *     quota is in force and what was used before is counted. Needs the scope `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --request PUT "$METERD_URL/v1/meter/quotas" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{
         *         "tenant_id": "org_001",
         *         "feature": "invoice_generate",
         *         "limit": 100,
         *         "period": "monthly",
         *         "timezone": "Europe/Berlin",
         *         "alert_threshold": 80
         *       }'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     quota = call(
         *         "PUT",
         *         "/v1/meter/quotas",
         *         {
         *             "tenant_id": "org_001",
         *             "feature": "invoice_generate",
         *             "limit": 100,
         *             "period": "monthly",
         *             "timezone": "Europe/Berlin",
         *             "alert_threshold": 80,
         *         },
         *     )
         *     print(json.dumps(quota, indent=2))
         *     ```
         */
        put: operations["put_quota"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/quotas/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show a quota
         * @description Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent --request PUT "$METERD_URL/v1/meter/quotas" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"tenant_id": "org_002", "feature": "export", "limit": 5, "period": "daily"}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
         *     curl --fail-with-body "$METERD_URL/v1/meter/quotas/$id" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     quota = call(
         *         "PUT",
         *         "/v1/meter/quotas",
         *         {"tenant_id": "org_002", "feature": "export", "limit": 5, "period": "daily"},
         *     )
         *     print(json.dumps(call("GET", "/v1/meter/quotas/" + quota["id"]), indent=2))
         *     ```
         */
        get: operations["get_quota"];
        put?: never;
        post?: never;
        /**
         * Delete a quota
         * @description When this is answered it is not in force any more. Needs the scope `admin`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(curl --fail-with-body --silent --request PUT "$METERD_URL/v1/meter/quotas" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"tenant_id": "org_002", "feature": "export", "limit": 5, "period": "daily"}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
         *     curl --fail-with-body --request DELETE "$METERD_URL/v1/meter/quotas/$id" \
         *       -H "Authorization: Bearer $METERD_API_KEY"
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     quota = call(
         *         "PUT",
         *         "/v1/meter/quotas",
         *         {"tenant_id": "org_002", "feature": "export", "limit": 5, "period": "daily"},
         *     )
         *     call("DELETE", "/v1/meter/quotas/" + quota["id"])
         *     ```
         */
        delete: operations["delete_quota"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/reservations/{id}/commit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Commit a reservation
         * @description `quantity` units were used, all that are held unless said; the others are free again. More than
         *     are held is refused, unless `overshoot` is true: then they count, even beyond the limit. To
         *     commit again in the same way gives the same answer. Needs the scope `validate`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(python3 -c 'import uuid; print(uuid.uuid4())')
         *     curl --fail-with-body --silent "$METERD_URL/v1/meter/validate" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d "{\"tenant_id\": \"org_003\", \"feature\": \"tokens\", \"quantity\": 500, \"mode\": \"reserve\", \"id\": \"$id\"}" > /dev/null
         *     curl --fail-with-body "$METERD_URL/v1/meter/reservations/$id/commit" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"tenant_id": "org_003", "quantity": 420}'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *     import uuid
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     reservation = str(uuid.uuid4())
         *     call(
         *         "POST",
         *         "/v1/meter/validate",
         *         {
         *             "tenant_id": "org_003",
         *             "feature": "tokens",
         *             "quantity": 500,
         *             "mode": "reserve",
         *             "id": reservation,
         *         },
         *     )
         *     answer = call("POST", f"/v1/meter/reservations/{reservation}/commit", {"tenant_id": "org_003", "quantity": 420})
         *     print(json.dumps(answer, indent=2))
         *     ```
         */
        post: operations["commit_reservation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/reservations/{id}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Release a reservation
         * @description Nothing was used; its units are free again. To release again gives the same answer. Needs the
         *     scope `validate`.
         *
         *     With curl:
         *
         *     ```sh
         *     id=$(python3 -c 'import uuid; print(uuid.uuid4())')
         *     curl --fail-with-body --silent "$METERD_URL/v1/meter/validate" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d "{\"tenant_id\": \"org_003\", \"feature\": \"tokens\", \"quantity\": 500, \"mode\": \"reserve\", \"id\": \"$id\"}" > /dev/null
         *     curl --fail-with-body "$METERD_URL/v1/meter/reservations/$id/release" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{"tenant_id": "org_003"}'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *     import uuid
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     reservation = str(uuid.uuid4())
         *     call(
         *         "POST",
         *         "/v1/meter/validate",
         *         {
         *             "tenant_id": "org_003",
         *             "feature": "tokens",
         *             "quantity": 500,
         *             "mode": "reserve",
         *             "id": reservation,
         *         },
         *     )
         *     answer = call("POST", f"/v1/meter/reservations/{reservation}/release", {"tenant_id": "org_003"})
         *     print(json.dumps(answer, indent=2))
         *     ```
         */
        post: operations["release_reservation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List tenants
         * @description Those that have used anything, by id, each with its usage between `from` and `to`; without them,
         *     of the last 24 hours. Whoever wants the largest ones first asks for aggregates grouped by
         *     `tenant_id` with a `top`. Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/tenants" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -d search=org_ -d from=2025-11-20T00:00:00Z -d to=2025-11-21T00:00:00Z
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.parse
         *     import urllib.request
         *
         *     query = urllib.parse.urlencode(
         *         {
         *             "search": "org_",
         *             "from": "2025-11-20T00:00:00Z",
         *             "to": "2025-11-21T00:00:00Z",
         *         }
         *     )
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/tenants?" + query,
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["list_tenants"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/tenants/{tenant_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show a tenant
         * @description Its usage by day, when it was last seen, and what it has used of its quotas, with where that leads
         *     if it goes on as it did since the window began. Needs the scope `read`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body --get "$METERD_URL/v1/meter/tenants/org_001" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -d timezone=Asia/Kolkata -d from=2025-11-20T00:00:00Z -d to=2025-11-21T00:00:00Z
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.parse
         *     import urllib.request
         *
         *     query = urllib.parse.urlencode(
         *         {
         *             "timezone": "Asia/Kolkata",
         *             "from": "2025-11-20T00:00:00Z",
         *             "to": "2025-11-21T00:00:00Z",
         *         }
         *     )
         *     request = urllib.request.Request(
         *         os.environ["METERD_URL"] + "/v1/meter/tenants/org_001?" + query,
         *         headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
         *     )
         *     with urllib.request.urlopen(request) as answer:
         *         print(json.dumps(json.load(answer), indent=2))
         *     ```
         */
        get: operations["get_tenant"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meter/validate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask whether a tenant may use more
         * @description `check` only looks, `consume` takes the units, `reserve` holds them until they are committed,
         *     released, or `ttl_seconds` are over. The answer includes every event that was accepted before
         *     this was sent, or it is a 503: then send the same `id` again, which is taken once. A denial is a
         *     200 with `allowed: false`. Needs the scope `validate`.
         *
         *     With curl:
         *
         *     ```sh
         *     curl --fail-with-body "$METERD_URL/v1/meter/validate" \
         *       -H "Authorization: Bearer $METERD_API_KEY" \
         *       -H 'Content-Type: application/json' \
         *       -d '{
         *         "tenant_id": "org_001",
         *         "feature": "invoice_generate",
         *         "quantity": 1,
         *         "mode": "check"
         *       }'
         *     ```
         *
         *     In Python:
         *
         *     ```python
         *     import json
         *     import os
         *     import urllib.request
         *
         *
         *     def call(method, path, body=None):
         *         request = urllib.request.Request(
         *             os.environ["METERD_URL"] + path,
         *             method=method,
         *             data=None if body is None else json.dumps(body).encode(),
         *             headers={
         *                 "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
         *                 "Content-Type": "application/json",
         *             },
         *         )
         *         with urllib.request.urlopen(request) as answer:
         *             text = answer.read()
         *         return json.loads(text) if text else None
         *
         *
         *     answer = call(
         *         "POST",
         *         "/v1/meter/validate",
         *         {"tenant_id": "org_001", "feature": "invoice_generate", "quantity": 1, "mode": "check"},
         *     )
         *     print(json.dumps(answer, indent=2))
         *     ```
         */
        post: operations["validate_usage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        AggregateList: {
            compare?: components["schemas"]["Compared"] | null;
            data: components["schemas"]["AggregateRow"][];
            /**
             * Format: date-time
             * @description The bounds used: those asked for, widened to whole windows.
             */
            from: string;
            /** @description Always null: an answer is whole, or refused for its size. */
            next_cursor?: string | null;
            timezone: string;
            /** Format: date-time */
            to: string;
            totals?: components["schemas"]["Totals"] | null;
            window: string;
        };
        /** @description Without what was not asked for: the window of `window=none`, the names that are not grouped by. */
        AggregateRow: components["schemas"]["Totals"] & {
            feature?: string | null;
            /** @description The member that is grouped by and the text of its value; null for events without it. */
            metadata?: {
                [key: string]: string | null;
            } | null;
            /** @description All groups below the top together. */
            other?: boolean | null;
            resource?: string | null;
            tenant_id?: string | null;
            /** Format: date-time */
            window_end?: string | null;
            /** Format: date-time */
            window_start?: string | null;
        };
        Alert: {
            /**
             * Format: int32
             * @description Percent of the limit.
             */
            alert_threshold: number;
            /**
             * Format: int32
             * @description Attempts to deliver it.
             */
            attempts: number;
            /**
             * Format: date-time
             * @description null: not yet, or nobody is told (`METERD_ALERT_WEBHOOK_URL`).
             */
            delivered_at?: string | null;
            feature: string;
            /** Format: uuid */
            id: string;
            /** @description Why the last attempt failed. */
            last_error?: string | null;
            /** Format: int64 */
            limit: number;
            /** Format: uuid */
            quota_id: string;
            /** Format: date-time */
            raised_at: string;
            /** Format: date-time */
            reset_at?: string | null;
            tenant_id: string;
            type: string;
            /** @description An integer as text: it may have more digits than a double. */
            used: string;
            /** Format: date-time */
            window_start: string;
        };
        /** @description The newest ones first; there is no other page. */
        AlertList: {
            data: components["schemas"]["Alert"][];
            next_cursor?: string | null;
        };
        Alive: {
            status: string;
        };
        /** @description Latest first. */
        AuditList: {
            data: components["schemas"]["Entry"][];
            next_cursor?: string | null;
        };
        /** @description CloudEvents 1.0. */
        CloudEvent: {
            /** @description Members other than these two are metadata. */
            data?: {
                /** @description `type`, unless said. */
                feature?: string;
                /** @default 1 */
                quantity: Quantity;
            };
            /** @description The event's; one that is no UUID makes one, with `source`. */
            id: string;
            source: string;
            specversion: string;
            /** @description The tenant. */
            subject: string;
            /** Format: date-time */
            time?: string;
            /** @description The resource. */
            type: string;
        };
        /** @description Usage of an earlier range; its windows are of the same kind, those of equal place belong together. */
        Compared: {
            data: components["schemas"]["AggregateRow"][];
            /** Format: date-time */
            from: string;
            /** Format: date-time */
            to: string;
            totals?: components["schemas"]["Totals"] | null;
        };
        /** @description A quota in its window of now. */
        Consumption: {
            /**
             * Format: int32
             * @description Percent of the limit.
             */
            alert_threshold?: number | null;
            enforcement: string;
            feature: string;
            /** Format: int64 */
            limit: number;
            name: string;
            period: string;
            projected?: Quantity | null;
            /** Format: uuid */
            quota_id: string;
            remaining: Quantity;
            /**
             * Format: date-time
             * @description `null`: never.
             */
            reset_at?: string | null;
            resource?: string | null;
            timezone: string;
            used: Quantity;
            /** Format: date-time */
            window_start: string;
        };
        Counted: {
            /** Format: date-time */
            window_end: string;
            /** Format: date-time */
            window_start: string;
        };
        CreatedKey: {
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at?: string | null;
            id: string;
            name: string;
            scopes: string[];
            /** @description Shown this once. */
            secret: string;
            tenant_id?: string | null;
        };
        Day: components["schemas"]["Totals"] & {
            /** Format: date-time */
            window_end: string;
            /** Format: date-time */
            window_start: string;
        };
        /** @description Latest first. */
        DeadLetterList: {
            data: components["schemas"]["Letter"][];
            next_cursor?: string | null;
        };
        Decision: {
            /** @description The limits as they stood at the position, and what was taken. */
            answer?: JsonObject | null;
            /** Format: int64 */
            as_of_seq: number;
            /** Format: date-time */
            decided_at: string;
            /** Format: uuid */
            decision_id: string;
            feature: string;
            /** Format: int32 */
            index: number;
            mode: string;
            outcome: string;
            /** Format: int32 */
            partition: number;
            /** Format: int64 */
            quantity: number;
            resource?: string | null;
            tenant_id: string;
        };
        /** @description An id that was denied may have been asked for again: each answer is one. */
        DecisionList: {
            data: components["schemas"]["Decision"][];
            next_cursor?: string | null;
        };
        /** @description Something that an administrator did. */
        Entry: {
            /** @description Such as `key.create`. */
            action: string;
            /** Format: date-time */
            at: string;
            detail: JsonObject;
            /** @description The key that did it. Null: meterd itself, when it was installed. */
            key_id?: string | null;
            /** Format: uuid */
            request_id?: string | null;
            /** @description The id of what it was done to. */
            target: string;
            tenant_id?: string | null;
        };
        /** @description A usage event as every API shows it. */
        Event: {
            feature: string;
            /** Format: uuid */
            id: string;
            /** @description A JSON object. */
            metadata: JsonObject;
            /**
             * Format: int64
             * @description Units consumed, 0 to 10^12.
             */
            quantity: number;
            resource: string;
            tenant_id: string;
            /**
             * Format: date-time
             * @description When the use happened, to the microsecond.
             */
            timestamp: string;
        };
        /**
         * @description Newest first. A page may be short and have a `next_cursor` all the same: the end is where that
         *     is null.
         */
        EventList: {
            data: components["schemas"]["Event"][];
            next_cursor?: string | null;
        };
        EventWithTrace: components["schemas"]["Event"] & {
            trace: components["schemas"]["Trace"];
        };
        /** @description A key as it is shown; its secret is not known any more. */
        Key: {
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at?: string | null;
            id: string;
            /**
             * Format: date-time
             * @description To the minute, up to a few seconds late.
             */
            last_used_at?: string | null;
            name: string;
            scopes: string[];
            /** @description The only tenant it may read and write. */
            tenant_id?: string | null;
        };
        /** @description Newest first. */
        KeyList: {
            data: components["schemas"]["Key"][];
            next_cursor?: string | null;
        };
        /** @description A record that reached the log and cannot count. */
        Letter: {
            /** @description Stable; the detail is for people. */
            code: string;
            /** Format: date-time */
            created_at: string;
            detail: string;
            /** @description As far as it could be read. */
            event?: JsonObject | null;
            /** @description What can be done. */
            hint: string;
            /** Format: int64 */
            id: number;
            /**
             * Format: int32
             * @description `null`: the whole message.
             */
            index?: number | null;
            /**
             * Format: int32
             * @description Its place in the log.
             */
            partition: number;
            /**
             * Format: uuid
             * @description The id of the event that was made of it.
             */
            replayed_as?: string | null;
            /** Format: date-time */
            resolved_at?: string | null;
            /** Format: int64 */
            seq: number;
            state: string;
            tenant_id?: string | null;
        };
        NewEvent: {
            /** @description Which part of it. */
            feature: string;
            /**
             * Format: uuid
             * @description Unique within the tenant: sent again, it counts once. Without one, the server makes one, and a retry would be another event.
             */
            id?: string;
            /**
             * @description Kept as it is, at most 8 KiB.
             * @default {}
             */
            metadata: JsonObject;
            /**
             * @description Units.
             * @default 1
             */
            quantity: number;
            /** @description What was used. */
            resource: string;
            /** @description Who used. */
            tenant_id: string;
            /**
             * Format: date-time
             * @description When; at most five minutes ahead. Without one, when it arrived.
             */
            timestamp?: string;
        };
        /** @description RFC 9457. */
        Problem: {
            /** @description For a program: stable. */
            code: string;
            /** @description For a person: what to do. */
            detail: string;
            status: number;
            /** @description The status in words. */
            title: string;
        };
        Quota: {
            /**
             * Format: int32
             * @description Percent of the limit.
             */
            alert_threshold?: number | null;
            anchor?: string | null;
            /** @description `hard`, `soft` or `shadow`. */
            enforcement: string;
            feature: string;
            /** Format: uuid */
            id: string;
            /** Format: int64 */
            limit: number;
            name: string;
            period: string;
            resource?: string | null;
            /** @description `active`, or `warming` while its past is being counted. */
            status: string;
            tenant_id: string;
            timezone: string;
        };
        /** @description What `validate` answers; the first five members are the documented ones and keep their shape. */
        QuotaAnswer: {
            allowed: boolean;
            /**
             * Format: int64
             * @description Where in the log it was decided.
             */
            as_of_seq: number;
            /** Format: uuid */
            decision_id: string;
            /** @description Always true: what is not exact is a 503. */
            exact: boolean;
            /** Format: int64 */
            limit?: number | null;
            limits: components["schemas"]["QuotaLimit"][];
            /**
             * Format: int64
             * @description Of a soft limit: units by which it is exceeded.
             */
            overage?: number;
            period?: string | null;
            /** Format: uuid */
            quota_id?: string | null;
            /**
             * Format: int64
             * @description Units left; before taking for a check, after taking for the others. null: no limit; 0: none
             *     counts this, and what none counts is denied here.
             */
            remaining?: number | null;
            reservation?: components["schemas"]["Reservation"];
            reset_at?: string | null;
        };
        QuotaLimit: {
            enforcement: string;
            fits: boolean;
            /** Format: int64 */
            limit: number;
            name: string;
            period: string;
            /** Format: uuid */
            quota_id: string;
            /** Format: int64 */
            remaining: number;
            reserved: string;
            reset_at?: string | null;
            /** @description Before this request; an integer as text: it may have more digits than a double. */
            used: string;
        };
        QuotaList: {
            data: components["schemas"]["Quota"][];
            next_cursor?: string | null;
        };
        Readiness: {
            /** @description What the process depends on: `ok`, or what is wrong. */
            parts: {
                [key: string]: string;
            };
            ready: boolean;
        };
        /** @description The body of a 202. `accepted + duplicates + rejected` is the number of events sent. */
        Receipted: {
            /** @description Distinct events that are in the log now. */
            accepted: Quantity;
            /** @description Repeats within this request. Repeats of earlier requests are found later, and not counted. */
            duplicates: Quantity;
            /** @description What the acceptance is worth: `fsync` survives a power cut. */
            durability: string;
            /** @description By place in the request, when the server made at least one of them. */
            ids?: (string | null)[] | null;
            /** @description Send it as `Meter-Receipt` to read answers that include these events. */
            receipt: string;
            rejected: components["schemas"]["Rejected"][];
        };
        /** @description The place of one record: message `seq` of `partition`, record number `index` within it. */
        RecordPosition: {
            /** Format: int32 */
            index: number;
            /** Format: int32 */
            partition: number;
            /** Format: int64 */
            seq: number;
        };
        /** @description A refused event of a batch. */
        Rejected: {
            code: string;
            detail: string;
            /** Format: uuid */
            id?: string | null;
            /** @description Place in the request, from 0. */
            index: Quantity;
        };
        /** @description The body of a 202. */
        Replayed: {
            /**
             * Format: uuid
             * @description Of the event that was made of the letter; the letter's own id stays dead.
             */
            id: string;
            /** @description Send it as `Meter-Receipt` to read answers that include the event. */
            receipt: string;
            tenant_id: string;
        };
        Reservation: {
            expires_at: string;
            /** Format: uuid */
            id: string;
        };
        Resolved: {
            /** Format: int64 */
            as_of_seq: number;
            /** Format: uuid */
            id: string;
            /**
             * Format: int64
             * @description Units used.
             */
            quantity: number;
            /** @description `committed` or `released`. */
            status: string;
        };
        TenantDetail: {
            /** @description A row for each day. */
            days: components["schemas"]["Day"][];
            /**
             * Format: date-time
             * @description Time of its last event, whenever that was.
             */
            last_seen: string;
            /** @description Its quotas and those of every tenant that it has used, in their windows of now. */
            quotas: components["schemas"]["Consumption"][];
            tenant_id: string;
            timezone: string;
            /** @description Between `from` and `to`, which are widened to whole days. */
            totals: components["schemas"]["Totals"];
        };
        /** @description By id. */
        TenantList: {
            data: components["schemas"]["TenantUsage"][];
            /**
             * Format: date-time
             * @description The bounds used: those asked for, widened to quarter-hours.
             */
            from: string;
            next_cursor?: string | null;
            /** Format: date-time */
            to: string;
        };
        TenantUsage: components["schemas"]["Totals"] & {
            /**
             * Format: date-time
             * @description Start of the last quarter-hour with an event, whenever that was.
             */
            last_seen: string;
            tenant_id: string;
        };
        /** @description Exact integers, beyond 2^63 too. */
        Totals: {
            event_count: Quantity;
            total_quantity: Quantity;
        };
        /** @description The event's way from the request to the sums. */
        Trace: {
            /** Format: date-time */
            persisted_at: string;
            /** @description Its place in the log. */
            position: components["schemas"]["RecordPosition"];
            /** Format: date-time */
            received_at: string;
            /** @description The base windows it counts in; all others fold from these. */
            windows: components["schemas"]["Counted"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alive"];
                };
            };
        };
    };
    get_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Prometheus' text format. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    get_readiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It can. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description It cannot; `parts` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    list_aggregates: {
        parameters: {
            query?: {
                /** @description Length of the windows, an hour unless said; `none` adds up the whole range; minutes for at most 48 hours */
                window?: string;
                /** @description IANA name, UTC unless said */
                timezone?: string;
                /** @description A list of `tenant_id`, `resource`, `feature` and one `metadata.KEY`, separated by commas; by metadata for at most 31 days and 1,000 values */
                group_by?: string;
                /** @description A key that is bound to a tenant sees that one only */
                tenant_id?: string;
                resource?: string;
                feature?: string;
                /** @description Widened to whole windows; 24 hours before `to` unless said */
                from?: string;
                /** @description Widened to whole windows; now unless said */
                to?: string;
                /** @description `zero`: rows for windows without usage too */
                fill?: string;
                /** @description `false`: leave out `totals` */
                totals?: boolean;
                /** @description Only the groups that used most; needs `group_by` */
                top?: number;
                /** @description `true`: all groups below the `top` as one row that has `other` */
                other?: boolean;
                /** @description Usage of as many windows before as well, or of the same dates a year before */
                compare?: string;
                /** @description Of an export: members of a row, separated by commas */
                columns?: string;
                /** @description As `Meter-Receipt` */
                receipt?: string;
            };
            header?: {
                /** @description The `ETag` of an earlier answer: 304 if no usage of the days asked for has changed since */
                "If-None-Match"?: string | null;
                /** @description Of a 202: the answer includes its events */
                "Meter-Receipt"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sums. */
            200: {
                headers: {
                    /** @description Of a JSON answer: changes when usage of the days asked for does. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AggregateList"];
                    "application/x-ndjson": string;
                    "text/csv": string;
                };
            };
            /** @description No usage of these days has changed since the answer with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             *     - `too_many_exports`: Too many exports are under way. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible" | "too_many_exports";
                    };
                };
            };
        };
    };
    list_alerts: {
        parameters: {
            query?: {
                tenant_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The alerts. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertList"];
                };
            };
            /** @description - `invalid_parameter`: A parameter is not as it must be. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    list_audit_log: {
        parameters: {
            query?: {
                /** @description Entries of a page; 100 unless said */
                limit?: number;
                /** @description `next_cursor` of the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditList"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_cursor`: The cursor is not of this query, or of another tenant's key.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_cursor";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    list_dead_letters: {
        parameters: {
            query?: {
                /** @description `open` unless said */
                state?: string;
                /** @description Letters of a page; 100 unless said */
                limit?: number;
                /** @description `next_cursor` of the page before, with the same state */
                cursor?: string;
                /** @description As `Meter-Receipt` */
                receipt?: string;
            };
            header?: {
                /** @description Of a 202: the answer includes its events */
                "Meter-Receipt"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadLetterList"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             *     - `invalid_cursor`: The cursor is not of this query, or of another tenant's key.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt" | "invalid_cursor";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible";
                    };
                };
            };
        };
    };
    discard_dead_letter: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is discarded. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: No dead letter that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `already_resolved`: It was replayed or discarded before. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "already_resolved";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    replay_dead_letter: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    feature?: string;
                    quantity?: number;
                    resource?: string;
                    tenant_id?: string;
                    /** Format: date-time */
                    timestamp?: string;
                };
            };
        };
        responses: {
            /** @description The event is in the log. */
            202: {
                headers: {
                    /** @description As `receipt` in the body. */
                    "Meter-Receipt"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Replayed"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The caller is bound to another tenant than the event would have.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `not_found`: No dead letter that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /**
             * @description - `already_resolved`: It was replayed or discarded before.
             *     - `not_replayable`: Nothing could be read of it; discard it.
             */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "already_resolved" | "not_replayable";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `unsupported_media_type`: The Content-Type is not `application/json`.
             *     - `unsupported_encoding`: The body has a Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unsupported_media_type" | "unsupported_encoding";
                    };
                };
            };
            /**
             * @description - `missing_field`: A field that is needed is missing.
             *     - `unknown_field`: A field has a name that is not known here.
             *     - `invalid_identifier`: A name has other characters than it may, or more than 128.
             *     - `invalid_quantity`: `quantity` is no integer from 0 to 10^12.
             *     - `invalid_timestamp`: `timestamp` is no RFC 3339 time with an offset.
             *     - `timestamp_in_future`: The event is more than five minutes ahead.
             *     - `invalid_metadata`: The metadata of the dead letter is no object that an event may have.
             *     - `metadata_too_large`: The metadata of the dead letter has more than an event's may have.
             *     - `missing_field`: The dead letter lacks a field that is not in the request either.
             *     - `invalid_id`: The dead letter has no id that it may have.
             *     - `unknown_field`: A field cannot be changed, or is none.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_field" | "unknown_field" | "invalid_identifier" | "invalid_quantity" | "invalid_timestamp" | "timestamp_in_future" | "invalid_metadata" | "metadata_too_large" | "invalid_id";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `unavailable`: The log is away or did not confirm. Send the same request again; it counts once.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    get_decision: {
        parameters: {
            query?: {
                /** @description Ids are unique within a tenant; a key that is bound to one need not name it */
                tenant_id?: string;
            };
            header?: never;
            path: {
                /** @description `decision_id` of an answer */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The decisions with this id. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DecisionList"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be.
             *     - `tenant_required`: The key is bound to no tenant: name one.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "tenant_required";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `not_found`: No decision of the tenant has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `invalid_id`: The id is no UUID, or the nil one. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_id";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    list_events: {
        parameters: {
            query?: {
                /** @description A key that is bound to a tenant sees that one only */
                tenant_id?: string;
                resource?: string;
                feature?: string;
                /** @description From this time on */
                from?: string;
                /** @description Before this time */
                to?: string;
                /** @description Of an export: members of an event and `metadata.KEY`, separated by commas */
                columns?: string;
                /** @description Events of a page; 100 unless said */
                limit?: number;
                /** @description `next_cursor` of the page before, with the same filters */
                cursor?: string;
                /** @description As `Meter-Receipt` */
                receipt?: string;
            };
            header?: {
                /** @description Of a 202: the answer includes its events */
                "Meter-Receipt"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, or all. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventList"];
                    "application/x-ndjson": string;
                    "text/csv": string;
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             *     - `invalid_cursor`: The cursor is not of this query, or of another tenant's key.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt" | "invalid_cursor";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             *     - `too_many_exports`: Too many exports are under way. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible" | "too_many_exports";
                    };
                };
            };
        };
    };
    ingest_events: {
        parameters: {
            query?: {
                /** @description `true`: with one event refused, none is accepted */
                atomic?: boolean;
            };
            header?: {
                /** @description Visible ASCII. Makes the ids of events without one: the same key, the same ids */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        /** @description At most 8 MiB (32 MiB decompressed) and 10,000 events, unless this installation says otherwise; `Content-Encoding: gzip` or `zstd`. A CloudEvent may also come in binary mode, with `ce-` headers. */
        requestBody: {
            content: {
                "application/cloudevents+json": components["schemas"]["CloudEvent"];
                "application/cloudevents-batch+json": components["schemas"]["CloudEvent"][];
                "application/json": components["schemas"]["NewEvent"] | components["schemas"]["NewEvent"][] | {
                    events: components["schemas"]["NewEvent"][];
                };
                /** @description An event a line; a bad line is refused by itself. */
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description At least one event is in the log. */
            202: {
                headers: {
                    /** @description As `receipt` in the body. */
                    "Meter-Receipt"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Receipted"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter or `Idempotency-Key` is not as it must be.
             *     - `body_incomplete`: The body ended too early.
             *     - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_encoding`: The body is not what its Content-Encoding says, or ends too early.
             *     - `too_deep`: The JSON is nested more than 32 levels deep.
             *     - `invalid_shape`: An event is no object.
             *     - `duplicate_field`: A field is there twice.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "body_incomplete" | "empty_body" | "invalid_json" | "invalid_encoding" | "too_deep" | "invalid_shape" | "duplicate_field";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant; nothing was accepted.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /**
             * @description - `body_too_large`: Send smaller batches.
             *     - `batch_too_large`: Send fewer events at once.
             */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large" | "batch_too_large";
                    };
                };
            };
            /**
             * @description - `unsupported_media_type`: The Content-Type is not one of those below.
             *     - `unsupported_encoding`: The Content-Encoding is not understood.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unsupported_media_type" | "unsupported_encoding";
                    };
                };
            };
            /**
             * @description - `empty_batch`: There is no event in the batch.
             *     - `all_rejected`: No event was accepted; `errors` has each.
             *     - `not_atomic`: The batch is atomic and `errors` were found; nothing was accepted.
             *     - `invalid_cloudevent`: A CloudEvent lacks an attribute, or has one that is not as it must be.
             *     - `unknown_field`: A field has a name that events do not have.
             *     - `missing_field`: `tenant_id`, `resource` or `feature` is missing.
             *     - `invalid_id`: `id` is no UUID, or the nil one.
             *     - `id_conflict`: The request has two different events with this id; both are refused.
             *     - `invalid_identifier`: A name has other characters than it may, or more than 128.
             *     - `invalid_quantity`: `quantity` is no integer from 0 to 10^12.
             *     - `invalid_timestamp`: `timestamp` is no RFC 3339 time with an offset.
             *     - `timestamp_too_old`: The event is older than this installation accepts.
             *     - `timestamp_in_future`: The event is more than five minutes ahead.
             *     - `invalid_metadata`: `metadata` is no JSON object that can be kept exactly.
             *     - `metadata_too_large`: More than 8 KiB or 64 keys of metadata.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "empty_batch" | "all_rejected" | "not_atomic" | "invalid_cloudevent" | "unknown_field" | "missing_field" | "invalid_id" | "id_conflict" | "invalid_identifier" | "invalid_quantity" | "invalid_timestamp" | "timestamp_too_old" | "timestamp_in_future" | "invalid_metadata" | "metadata_too_large";
                    };
                };
            };
            /** @description - `rate_limited`: The key's events a second are used up; Retry-After says when there are more. */
            429: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "rate_limited";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log takes no events now, or drains. Send the same ids again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable";
                    };
                };
            };
        };
    };
    follow_events: {
        parameters: {
            query?: {
                /** @description A key that is bound to a tenant sees that one only */
                tenant_id?: string;
                resource?: string;
                feature?: string;
            };
            header?: {
                /** @description The last `id` of an earlier stream; without it, the stream begins with what is persisted from now on */
                "Last-Event-ID"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events, for as long as the client reads. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible";
                    };
                };
            };
        };
    };
    get_event: {
        parameters: {
            query?: {
                /** @description Needed where the key is bound to no tenant */
                tenant_id?: string;
                /** @description As `Meter-Receipt` */
                receipt?: string;
            };
            header?: {
                /** @description Of a 202: the answer includes its events */
                "Meter-Receipt"?: string | null;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The event. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventWithTrace"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             *     - `tenant_required`: The key is bound to no tenant: name one, since ids are unique within one.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt" | "tenant_required";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: This tenant has no counted event with this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible";
                    };
                };
            };
        };
    };
    list_keys: {
        parameters: {
            query?: {
                /** @description Keys of a page; 100 unless said */
                limit?: number;
                /** @description `next_cursor` of the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyList"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_cursor`: The cursor is not of this query, or of another tenant's key.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_cursor";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    create_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: date-time */
                    expires_at?: string | null;
                    name: string;
                    scopes: ("ingest" | "read" | "validate" | "admin")[];
                    /** @description The only tenant it may read and write. */
                    tenant_id?: string | null;
                };
            };
        };
        responses: {
            /** @description The key and its secret. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedKey"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The caller is bound to a tenant and makes keys of that one only.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `unsupported_media_type`: The Content-Type is not `application/json`.
             *     - `unsupported_encoding`: The body has a Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unsupported_media_type" | "unsupported_encoding";
                    };
                };
            };
            /**
             * @description - `missing_field`: A field that is needed is missing.
             *     - `unknown_field`: A field has a name that is not known here.
             *     - `invalid_name`: `name` is no text of 1 to 128 characters without control characters.
             *     - `invalid_scopes`: `scopes` is no array of at least one scope, each once.
             *     - `invalid_identifier`: `tenant_id` is no name as in events.
             *     - `invalid_expiry`: `expires_at` is no RFC 3339 time with an offset that is yet to come.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_field" | "unknown_field" | "invalid_name" | "invalid_scopes" | "invalid_identifier" | "invalid_expiry";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `unavailable`: The change was not distributed to every service. Send it again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    get_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
            /** @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: No key that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    delete_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: No key that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `last_admin_key`: It is the last key that may manage all keys; create another one first. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "last_admin_key";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `unavailable`: The change was not distributed to every service. Send it again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    rotate_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description For how long the old key goes on.
                     * @default 86400
                     */
                    overlap_seconds?: number;
                };
            };
        };
        responses: {
            /** @description The new key and its secret. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedKey"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: No key that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `unsupported_media_type`: The Content-Type is not `application/json`.
             *     - `unsupported_encoding`: The body has a Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unsupported_media_type" | "unsupported_encoding";
                    };
                };
            };
            /**
             * @description - `missing_field`: A field that is needed is missing.
             *     - `unknown_field`: A field has a name that is not known here.
             *     - `invalid_overlap`: `overlap_seconds` is no whole number from 0 to 7,776,000.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_field" | "unknown_field" | "invalid_overlap";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `unavailable`: The change was not distributed to every service. Send it again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout";
                    };
                };
            };
        };
    };
    list_quotas: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The quotas. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QuotaList"];
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    put_quota: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    alert_threshold?: number | null;
                    /**
                     * Format: date
                     * @description A day on which a weekly, monthly or yearly period begins.
                     */
                    anchor?: string | null;
                    /**
                     * @default hard
                     * @enum {string|null}
                     */
                    enforcement?: "hard" | "soft" | "shadow" | null;
                    /** @description `*`: every feature, each counted for itself. */
                    feature: string;
                    limit: number;
                    /** @description Of quotas with one name the most specific one holds; `period` unless said. */
                    name?: string | null;
                    /** @enum {string} */
                    period: "minutely" | "hourly" | "daily" | "weekly" | "monthly" | "yearly" | "lifetime";
                    /** @description Count this resource only. */
                    resource?: string | null;
                    /** @description `*`: of every tenant, each counted for itself. */
                    tenant_id: string;
                    /**
                     * @description IANA.
                     * @default UTC
                     */
                    timezone?: string | null;
                };
            };
        };
        responses: {
            /** @description It is in force. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Quota"];
                };
            };
            /**
             * @description - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `invalid_shape`: The body is no JSON object with the fields below, each once.
             *     - `invalid_identifier`: A name has other characters than it may, or more than 128.
             *     - `invalid_limit`: `limit` is no integer from 0 to 2^53.
             *     - `invalid_period`: `period` or `anchor` is none.
             *     - `invalid_timezone`: `timezone` is no IANA zone.
             *     - `invalid_mode`: `enforcement` is not hard, soft or shadow.
             *     - `invalid_threshold`: `alert_threshold` is no integer from 1 to 100.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_shape" | "invalid_identifier" | "invalid_limit" | "invalid_period" | "invalid_timezone" | "invalid_mode" | "invalid_threshold";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    get_quota: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The quota. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Quota"];
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: No quota that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `invalid_id`: The id is no UUID, or the nil one. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_id";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    delete_quota: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `not_found`: No quota that the caller may see has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `invalid_id`: The id is no UUID, or the nil one. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_id";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    commit_reservation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `reservation.id` of the answer */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @default false */
                    overshoot?: boolean;
                    quantity?: number;
                    /** @description A key that is bound to a tenant need not name it. */
                    tenant_id?: string;
                };
            };
        };
        responses: {
            /** @description It is committed. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resolved"];
                };
            };
            /**
             * @description - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             *     - `tenant_required`: The key is bound to no tenant: name one.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field" | "tenant_required";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `not_found`: The tenant has no such reservation. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /**
             * @description - `id_conflict`: It was resolved in another way before.
             *     - `reservation_expired`: Its time is over and its units are free again.
             */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "id_conflict" | "reservation_expired";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `invalid_identifier`: A name has other characters than it may, or more than 128.
             *     - `invalid_quantity`: `quantity` is no integer that it may be.
             *     - `unknown_field`: A field has a name that is not known here.
             *     - `invalid_id`: The id is no UUID, or the nil one.
             *     - `invalid_shape`: `overshoot` is neither true nor false.
             *     - `exceeds_hold`: More than it holds; `held` says how many.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_identifier" | "invalid_quantity" | "unknown_field" | "invalid_id" | "invalid_shape" | "exceeds_hold";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    release_reservation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `reservation.id` of the answer */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description A key that is bound to a tenant need not name it. */
                    tenant_id?: string;
                };
            };
        };
        responses: {
            /** @description It is released. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resolved"];
                };
            };
            /**
             * @description - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             *     - `tenant_required`: The key is bound to no tenant: name one.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field" | "tenant_required";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `not_found`: The tenant has no such reservation. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /**
             * @description - `id_conflict`: It was resolved in another way before.
             *     - `reservation_expired`: Its time is over and its units are free again.
             */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "id_conflict" | "reservation_expired";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `invalid_identifier`: A name has other characters than it may, or more than 128.
             *     - `invalid_quantity`: `quantity` is no integer that it may be.
             *     - `unknown_field`: A field has a name that is not known here.
             *     - `invalid_id`: The id is no UUID, or the nil one.
             *     - `invalid_shape`: `overshoot` is neither true nor false.
             *     - `exceeds_hold`: More than it holds; `held` says how many.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_identifier" | "invalid_quantity" | "unknown_field" | "invalid_id" | "invalid_shape" | "exceeds_hold";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
    list_tenants: {
        parameters: {
            query?: {
                /** @description Only ids that have this in them, in whatever case */
                search?: string;
                /** @description Widened to a quarter-hour; 24 hours before `to` unless said */
                from?: string;
                /** @description Widened to a quarter-hour; now unless said */
                to?: string;
                /** @description Tenants of a page; 100 unless said */
                limit?: number;
                /** @description `next_cursor` of the page before, with the same search */
                cursor?: string;
                /** @description As `Meter-Receipt` */
                receipt?: string;
            };
            header?: {
                /** @description Of a 202: the answer includes its events */
                "Meter-Receipt"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantList"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             *     - `invalid_cursor`: The cursor is not of this query, or of another tenant's key.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt" | "invalid_cursor";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible";
                    };
                };
            };
        };
    };
    get_tenant: {
        parameters: {
            query?: {
                /** @description IANA name, UTC unless said: where days begin */
                timezone?: string;
                /** @description Widened to a day; 30 days before `to` unless said; at most 400 days */
                from?: string;
                /** @description Widened to a day; now unless said */
                to?: string;
                /** @description As `Meter-Receipt` */
                receipt?: string;
            };
            header?: {
                /** @description Of a 202: the answer includes its events */
                "Meter-Receipt"?: string | null;
            };
            path: {
                tenant_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantDetail"];
                };
            };
            /**
             * @description - `invalid_parameter`: A parameter is not as it must be; `detail` names it.
             *     - `invalid_receipt`: The receipt is not one of this deployment.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_parameter" | "invalid_receipt";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /** @description - `missing_scope`: The key lacks the scope that this operation needs. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope";
                    };
                };
            };
            /** @description - `not_found`: No such tenant has used anything. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "not_found";
                    };
                };
            };
            /** @description - `internal`: meterd failed; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "internal";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The database is away. Try again.
             *     - `query_timeout`: The query takes too long; ask for less.
             *     - `not_yet_visible`: The receipt's events are accepted and not persisted yet. Try again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "query_timeout" | "not_yet_visible";
                    };
                };
            };
        };
    };
    validate_usage: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    feature: string;
                    /**
                     * Format: uuid
                     * @description Of this request and its retries; for `consume`, of the event that it is.
                     */
                    id?: string;
                    /**
                     * @default check
                     * @enum {string}
                     */
                    mode?: "check" | "consume" | "reserve";
                    /** @default 1 */
                    quantity?: number;
                    /** @description Without one, quotas of one resource do not count it. */
                    resource?: string;
                    /** @description A key that is bound to a tenant need not name it. */
                    tenant_id?: string;
                    /**
                     * @description Of a reservation.
                     * @default 300
                     */
                    ttl_seconds?: number;
                };
            };
        };
        responses: {
            /** @description The decision. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QuotaAnswer"];
                };
            };
            /**
             * @description - `empty_body`: There is no body.
             *     - `invalid_json`: The body is not JSON.
             *     - `invalid_shape`: The body is no JSON object.
             *     - `duplicate_field`: A field is there twice.
             *     - `tenant_required`: The key is bound to no tenant: name one.
             */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "empty_body" | "invalid_json" | "invalid_shape" | "duplicate_field" | "tenant_required";
                    };
                };
            };
            /**
             * @description - `unauthenticated`: The request has no API key, or not in one of the two headers.
             *     - `invalid_key`: The key is mistyped, unknown, expired or deleted.
             */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unauthenticated" | "invalid_key";
                    };
                };
            };
            /**
             * @description - `missing_scope`: The key lacks the scope that this operation needs.
             *     - `tenant_mismatch`: The key is bound to another tenant.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "missing_scope" | "tenant_mismatch";
                    };
                };
            };
            /** @description - `body_timeout`: The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_timeout";
                    };
                };
            };
            /**
             * @description - `id_conflict`: The id was used with another quantity or feature; use a new one.
             *     - `reservation_expired`: The reservation with this id has ended; use a new id.
             */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "id_conflict" | "reservation_expired";
                    };
                };
            };
            /** @description - `body_too_large`: The body is not whole, or has more than 16 KiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "body_too_large";
                    };
                };
            };
            /**
             * @description - `invalid_identifier`: A name has other characters than it may, or more than 128.
             *     - `invalid_quantity`: `quantity` is no integer that it may be.
             *     - `unknown_field`: A field has a name that is not known here.
             *     - `missing_field`: `feature` is missing.
             *     - `invalid_mode`: `mode` is not check, consume or reserve, or `ttl_seconds` does not belong to it.
             *     - `invalid_ttl`: `ttl_seconds` is no integer from 1 to 86,400.
             *     - `invalid_id`: `id` is no UUID, or the nil one.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "invalid_identifier" | "invalid_quantity" | "unknown_field" | "missing_field" | "invalid_mode" | "invalid_ttl" | "invalid_id";
                    };
                };
            };
            /**
             * @description - `unavailable`: Keys cannot be checked right now. Try again.
             *     - `unavailable`: The log or the database is away. Try again.
             *     - `decision_unknown`: The log is not folded far enough to be exact. Send the same id again.
             */
            503: {
                headers: {
                    /** @description Seconds to wait. */
                    "Retry-After"?: Quantity;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"] & {
                        /** @enum {string} */
                        code?: "unavailable" | "decision_unknown";
                    };
                };
            };
        };
    };
}
