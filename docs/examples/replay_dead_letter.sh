id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/dead-letters?limit=1" \
  -H "Authorization: Bearer $METERD_API_KEY" | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])')
curl --fail-with-body "$METERD_URL/v1/meter/dead-letters/$id/replay" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"quantity": 1}'
