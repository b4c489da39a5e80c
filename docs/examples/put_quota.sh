curl --fail-with-body --request PUT "$METERD_URL/v1/meter/quotas" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{
    "tenant_id": "org_001",
    "feature": "invoice_generate",
    "limit": 100,
    "period": "monthly",
    "timezone": "Europe/Berlin",
    "alert_threshold": 80
  }'
