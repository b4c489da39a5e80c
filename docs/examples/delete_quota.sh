id=$(curl --fail-with-body --silent --request PUT "$METERD_URL/v1/meter/quotas" \
  -H "Authorization: Bearer $METERD_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"tenant_id": "org_002", "feature": "export", "limit": 5, "period": "daily"}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl --fail-with-body --request DELETE "$METERD_URL/v1/meter/quotas/$id" \
  -H "Authorization: Bearer $METERD_API_KEY"
