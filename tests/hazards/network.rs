//! Networks of the test's own, whose links fail.
