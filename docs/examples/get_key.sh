id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/keys" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"name": "for a while", "scopes": ["read"]}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl --fail-with-body "$METERD_URL/v1/meter/keys/$id" \
  -H "Authorization: Bearer $METERD_API_KEY"
