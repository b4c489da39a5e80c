curl --fail-with-body "$METERD_URL/v1/meter/quotas" \
  -H "Authorization: Bearer $METERD_API_KEY"
