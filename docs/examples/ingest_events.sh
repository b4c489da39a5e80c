curl --fail-with-body "$METERD_URL/v1/meter/events" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{
    "id": "0193a5b0-7c1d-7000-8000-0000000000e1",
    "tenant_id": "org_001",
    "resource": "billing",
    "feature": "invoice_generate",
    "quantity": 1,
    "timestamp": "2025-11-20T10:31:00Z",
    "metadata": {"user": "u_123"}
  }'
