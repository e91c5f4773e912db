//! Half-closes, resets, signals, and a server that stood still.
