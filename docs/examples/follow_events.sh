curl --no-buffer --silent "$METERD_URL/v1/meter/events/stream" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -d tenant_id=org_001 --get | head -n 4
