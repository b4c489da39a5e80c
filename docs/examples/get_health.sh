curl --fail-with-body "$METERD_URL/healthz"
