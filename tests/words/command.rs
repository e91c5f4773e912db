//! Commands, typed in any way.

use proptest::prelude::*;

use crate::rules::command::a_line_asks_what_is_written;

proptest! {
    #[test]
    fn a_line_asks_what_is_written_there(
        word in "/{0,2}(?i:help|who|me|msg|r|nick|echo|history|ignore|unignore|quit|usr/bin)?",
        text in "([ \t\u{3000}]{0,2}(on|off|[0-9]{1,3}|bob|네)){0,3} ?|(?s).{0,9}",
    ) {
        a_line_asks_what_is_written(&(word + &text));
    }
}
