curl --fail-with-body --get "$METERD_URL/v1/meter/aggregates" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -d window=day -d timezone=Asia/Kolkata -d group_by=tenant_id,feature \
  -d from=2025-11-19T18:30:00Z -d to=2025-11-21T18:30:00Z
