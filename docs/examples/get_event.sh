curl --fail-with-body --get "$METERD_URL/v1/meter/events/0193a5b0-7c1d-7000-8000-0000000000e1" \
  -H "Authorization: Bearer $METERD_API_KEY" -d tenant_id=org_001
