curl --fail-with-body "$METERD_URL/v1/meter/keys" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"name": "billing service", "scopes": ["ingest"], "tenant_id": "org_001"}'
