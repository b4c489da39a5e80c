curl --fail-with-body --get "$METERD_URL/v1/meter/tenants/org_001" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -d timezone=Asia/Kolkata -d from=2025-11-20T00:00:00Z -d to=2025-11-21T00:00:00Z
