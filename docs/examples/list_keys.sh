curl --fail-with-body "$METERD_URL/v1/meter/keys?limit=10" \
  -H "Authorization: Bearer $METERD_API_KEY"
