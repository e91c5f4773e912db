//! Names, whatever a client asks for.

use chinwag::words::names::Names;
use proptest::prelude::*;

use crate::rules::names::{self as property, Deed};

/// Text of people and attackers: letters that meet, marks, joiners, forbidden characters.
fn texts() -> impl Strategy<Value = String> {
    let near = "[aAbBiIlL1oO0mrnßsSσςΣаОıİé가한ㅋ\\u{300}-\\u{307}\\u{94d}क_.\\-\\u{200d} ]{0,34}";
    let word = "(?i)(guest|admin|all)[0-9loOI]{0,3}";
    prop_oneof![4 => near, 2 => "\\PC{0,40}", 1 => word, 1 => "(?s).{0,40}"]
}

/// Short names that often meet.
fn names_that_meet() -> impl Strategy<Value = String> {
    "[aAаIl1i][oO0о]?(m|rn|M)?"
}

/// A client asks for a name, leaves, or looks a name up; or time passes.
fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (1..6_u64, names_that_meet()).prop_map(|(serial, text)| Deed::Take(serial, text)),
        1 => (1..6_u64).prop_map(Deed::Release),
        1 => prop_oneof![names_that_meet(), "guest[0-7]"].prop_map(Deed::Ask),
        1 => (0..40_u64).prop_map(Deed::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_is_accepted_keeps_the_rules(text in texts()) {
        property::whatever_is_accepted_keeps_the_rules(&text);
    }

    #[test]
    fn parsing_a_name_again_changes_nothing(text in texts()) {
        property::parsing_a_name_again_changes_nothing(&text);
    }

    #[test]
    fn any_case_of_a_name_is_the_same_name(text in texts()) {
        property::any_case_of_a_name_is_the_same_name(&text);
    }

    #[test]
    fn nothing_that_is_asked_for_panics(text in "(?s).{0,200}", serial: u64) {
        let names = Names::default();
        let called = names.of(serial).to_string();
        prop_assert_eq!(names.find(&called), (serial > 0).then_some(serial));
        names.find(&text);
    }

    #[test]
    fn no_two_have_names_that_meet_and_what_is_freed_is_free(
        deeds in prop::collection::vec(deed(), 0..60),
    ) {
        property::no_two_have_names_that_meet(&deeds);
    }
}
