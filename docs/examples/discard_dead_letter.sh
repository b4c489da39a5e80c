id=$(curl --fail-with-body --silent "$METERD_URL/v1/meter/dead-letters?limit=1" \
  -H "Authorization: Bearer $METERD_API_KEY" | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])')
curl --fail-with-body --request DELETE "$METERD_URL/v1/meter/dead-letters/$id" \
  -H "Authorization: Bearer $METERD_API_KEY"
