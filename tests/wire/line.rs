//! Lines, however the input is cut into reads.

use proptest::prelude::*;

use crate::rules::line::{self as property, Deed};

fn cut_at<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<Deed<'a>> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let reads = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
    reads.map(Deed::Read).chain([Deed::Cut]).collect()
}

proptest! {
    #[test]
    fn however_the_input_is_cut_the_lines_are_those_of_the_rule(
        input in "[a-c\n\r\0\x08\x15\u{feff}]{0,200}|([a-z\0]{0,90}[\r\n]{1,2}){0,9}|[a-c\0]{0,99}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let (rules, input) = (property::rules(16, false), input.as_bytes());
        property::lines_are_those_of_the_rule(&rules, &cut_at(input, &[]));
        property::lines_are_those_of_the_rule(&rules, &cut_at(input, &cuts));
    }

    #[test]
    fn raw_bytes_are_all_there_however_they_are_cut(
        input in any::<String>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut reads = cut_at(input.as_bytes(), &cuts);
        reads.pop();
        property::raw_bytes_are_all_there(&property::rules(16, true), &reads);
    }
}
