curl --fail-with-body --get "$METERD_URL/v1/meter/events" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -d tenant_id=org_001 -d metadata.user=u_123 \
  -d from=2025-11-20T00:00:00Z -d to=2025-11-21T00:00:00Z
