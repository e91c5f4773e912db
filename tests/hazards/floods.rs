//! Those who send, connect and ask without end.
