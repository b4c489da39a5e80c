//! What every service needs: configuration, telemetry, authentication, problems, lifecycle.
