//! The languages of the server's own lines.

use clap::ValueEnum;

/// The language of the server's own lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

/// The number of languages: every list of words has this many.
pub const LANGS: usize = 2;

impl Lang {
    /// The language of a locale as POSIX names it, such as `ko_KR.UTF-8`. English if it is not in
    /// this list.
    pub fn of_locale(locale: &str) -> Lang {
        let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        Lang::from_str(language, true).unwrap_or_default()
    }
}
