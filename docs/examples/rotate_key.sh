id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/keys" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"name": "rotated", "scopes": ["ingest"]}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl --fail-with-body "$METERD_URL/v1/meter/keys/$id/rotate" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"overlap_seconds": 3600}'
