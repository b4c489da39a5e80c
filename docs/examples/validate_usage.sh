curl --fail-with-body "$METERD_URL/v1/meter/validate" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{
    "tenant_id": "org_001",
    "feature": "invoice_generate",
    "quantity": 1,
    "mode": "check"
  }'
