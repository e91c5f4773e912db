//! Those who read slowly, late or never.
