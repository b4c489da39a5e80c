id=$(python3 -c 'import uuid; print(uuid.uuid4())')
curl --fail-with-body --silent "$METERD_URL/v1/meter/validate" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d "{\"tenant_id\": \"org_003\", \"feature\": \"tokens\", \"mode\": \"consume\", \"id\": \"$id\"}" > /dev/null
curl --fail-with-body --get "$METERD_URL/v1/meter/decisions/$id" \
  -H "Authorization: Bearer $METERD_API_KEY" -d tenant_id=org_003
