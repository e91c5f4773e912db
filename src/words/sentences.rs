//! How a table of sentences becomes the notices: a variant for each, its words in each language,
//! and the way back.

/// Generates the notices, and their words in each language, from one table.
macro_rules! notices {
    ($(
        $(#[$doc:meta])*
        $notice:ident $({ $($field:ident: $kind:ty),* })?
            en $en:literal $(, if $is_one:expr => $one:literal)?
            ko $ko:literal;
    )*) => {
        /// One notice of the server.
        #[derive(Clone, Copy, Debug)]
        #[expect(missing_docs, reason = "the fields are the words of the sentence they stand in")]
        pub enum Notice<'a> {
            $( $(#[$doc])* $notice $({ $($field: $kind),* })?, )*
        }

        impl Notice<'_> {
            /// Its words, without the mark and the line end.
            pub fn text(&self, lang: Lang) -> String {
                match *self {
                    $( Notice::$notice $({ $($field),* })? => match lang {
                        $( Lang::En if $is_one => format!($one), )?
                        Lang::En => format!($en),
                        Lang::Ko => format!($ko),
                    }, )*
                }
            }
        }

        impl<'a> Notice<'a> {
            /// The notice that has these words in one of the languages, but for its singular.
            pub fn read(words: &'a str) -> Option<Notice<'a>> {
                $( for form in [$en, $ko] {
                    let read = reading::fields(form, words).and_then(|_fields| {
                        Some(Notice::$notice $({
                            $($field: reading::value(&_fields, stringify!($field))?),*
                        })?)
                    });
                    if read.is_some() {
                        return read;
                    }
                } )*
                None
            }
        }
    };
}

pub(super) use notices;
