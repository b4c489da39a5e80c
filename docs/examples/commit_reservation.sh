id=$(python3 -c 'import uuid; print(uuid.uuid4())')
curl --fail-with-body --silent "$METERD_URL/v1/meter/validate" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d "{\"tenant_id\": \"org_003\", \"feature\": \"tokens\", \"quantity\": 500, \"mode\": \"reserve\", \"id\": \"$id\"}" > /dev/null
curl --fail-with-body "$METERD_URL/v1/meter/reservations/$id/commit" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"tenant_id": "org_003", "quantity": 420}'
