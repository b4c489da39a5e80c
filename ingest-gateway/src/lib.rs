//! Accepts usage events over HTTP and answers 202 once the log has fsynced them.
