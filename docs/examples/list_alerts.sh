curl --fail-with-body "$METERD_URL/v1/meter/alerts?tenant_id=org_001" \
  -H "Authorization: Bearer $METERD_API_KEY"
