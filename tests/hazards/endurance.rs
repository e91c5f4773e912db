//! The clock, the bound of memory, the log, and what is left after many have come and gone.
