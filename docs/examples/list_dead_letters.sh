curl --fail-with-body --get "$METERD_URL/v1/meter/dead-letters" \
  -H "Authorization: Bearer $METERD_API_KEY" -d state=open -d limit=10
