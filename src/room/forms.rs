//! The conversation in the forms that its readers want.
//!
//! Each form is made once and shared by all its readers. It is a transcript of its own with the
//! same lines. It is made for its first reader and begins with the next line. It ends with its last
//! reader. So a client changes its form only at the head, and no position is ever translated.
//!
//! The plain form is always there, and all others are made of it.

use crate::room::pages::Pages;
use crate::room::transcript::{Stamp, Transcript};

pub use crate::wire::form::{Entry, FORM_BYTES_MAX, FORMS, Form};

/// How many entries one turn appends and more. It only says how long their numbers are.
const ENTRIES_SOON: u64 = 10_000;

/// Before this second a server is expected to be started anew: in three years. It only says how
/// long a time is.
const SECONDS_SOON: u32 = 99_999_999;

/// One transcript for each form that has a reader.
#[derive(Debug)]
pub struct Forms {
    plain: Transcript,
    /// By form. The plain one is not among them.
    others: [Option<Box<Rendered>>; FORMS],
    /// How much of the form of browsers is kept for those that come back. Then that form stays when
    /// its last reader leaves.
    recover_bytes: usize,
}

#[derive(Debug)]
struct Rendered {
    transcript: Transcript,
    readers: usize,
}

impl Forms {
    /// An empty conversation. Each form holds at most this many bytes of it. So many of them are
    /// kept for browsers that come back.
    pub fn new(window_bytes_max: usize, recover_bytes: usize) -> Forms {
        let plain = Transcript::new(window_bytes_max);
        Forms { plain, others: Default::default(), recover_bytes }
    }

    /// From where on a form is kept though no reader lacks it.
    pub fn kept_from(&self, form: Form) -> u64 {
        if form != Form::Web || self.recover_bytes == 0 {
            return u64::MAX;
        }
        let transcript = self.of(form);
        transcript.start_at_or_after(transcript.head().saturating_sub(self.recover_bytes as u64)).1
    }

    /// Gives the first line this number. Call it before anything is said.
    pub fn begin_at(&mut self, number: u64) {
        self.plain.begin_at(number);
        self.others.iter_mut().flatten().for_each(|its| its.transcript.begin_at(number));
    }

    /// The conversation in the plain form.
    pub fn plain(&self) -> &Transcript {
        &self.plain
    }

    /// The conversation in this form. A form without readers returns the plain one.
    pub fn of(&self, form: Form) -> &Transcript {
        self.others[form as usize].as_deref().map_or(&self.plain, |its| &its.transcript)
    }

    /// Appends one entry, made of `parts` one after the other.
    pub fn append(&mut self, pages: &mut Pages, stamp: impl Into<Stamp>, parts: &[&[u8]]) {
        let stamp = stamp.into();
        let entry = Entry { parts, number: self.plain.lines_said(), at_seconds: stamp.at_seconds };
        self.plain.append(pages, stamp, parts);
        for (form, other) in Form::ALL.into_iter().zip(&mut self.others) {
            if let Some(other) = other {
                other.transcript.append(pages, stamp, &[&form.render_entry(&entry)]);
            }
        }
    }

    /// Forgets what stands before this position in one form, up to a whole entry. A form without
    /// readers has nothing to forget.
    pub fn forget_before(&mut self, pages: &mut Pages, form: Form, position: u64) {
        match &mut self.others[form as usize] {
            Some(its) => its.transcript.forget_before(pages, position),
            None if form == Form::Plain => self.plain.forget_before(pages, position),
            None => {}
        }
    }

    /// How many bytes more its pages would take with an entry of this size.
    pub fn needs(&self, bytes: usize) -> usize {
        let others = self.others.iter().flatten();
        let others = others.map(|its| its.transcript.needs(bytes + FORM_BYTES_MAX));
        self.plain.needs(bytes) + others.sum::<usize>()
    }

    /// Moves what it holds into pages that fit, if its pages are much too large.
    pub fn shrink(&mut self, pages: &mut Pages) {
        self.plain.shrink(pages);
        self.others.iter_mut().flatten().for_each(|its| its.transcript.shrink(pages));
    }

    /// Forgets everything. Call it before a drop, if the bytes are still counted.
    pub fn free(&mut self, pages: &mut Pages) {
        Form::ALL.into_iter().for_each(|form| self.forget_before(pages, form, u64::MAX));
    }

    /// The bytes of the pages of all forms.
    pub fn held(&self) -> usize {
        let others = self.others.iter().flatten();
        self.plain.held() + others.map(|its| its.transcript.held()).sum::<usize>()
    }

    /// Adds a reader to a form. A new form begins at its head.
    pub fn join(&mut self, form: Form) {
        if form == Form::Plain {
            return;
        }
        let begin =
            || Box::new(Rendered { transcript: self.plain.continued(FORM_BYTES_MAX), readers: 0 });
        self.others[form as usize].get_or_insert_with(begin).readers += 1;
    }

    /// Removes a reader from a form. The last one ends the form, unless some of it is kept.
    pub fn leave(&mut self, pages: &mut Pages, form: Form) {
        let other = &mut self.others[form as usize];
        if let Some(its) = other {
            its.readers -= 1;
        }
        let is_kept = form == Form::Web && self.recover_bytes > 0;
        if let Some(mut its) = other.take_if(|its| its.readers == 0 && !is_kept) {
            its.transcript.free(pages);
        }
    }

    /// Whether this form is there, and is not the plain one.
    pub fn is_read(&self, form: Form) -> bool {
        self.others[form as usize].is_some()
    }

    /// How much more an entry is charged for the forms with readers.
    pub fn extra(&self) -> usize {
        let number = 2 * self.plain.lines_said() + ENTRIES_SOON;
        let read = Form::ALL.into_iter().filter(|form| self.is_read(*form));
        read.map(|form| form.bytes_more(number, SECONDS_SOON)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(transcript: &Transcript, from: u64) -> String {
        String::from_utf8(transcript.text(from, transcript.head())).unwrap()
    }

    #[test]
    fn a_form_begins_with_its_first_reader_and_goes_with_its_last() {
        let (mut forms, mut pages) = (Forms::new(1000, 0), Pages::new(1 << 20));
        forms.append(&mut pages, 1, &[b"a: ", b"one", b"\n"]);
        assert_eq!(forms.extra(), 0);
        forms.join(Form::CrLf);
        forms.join(Form::CrLf);
        let start = forms.of(Form::CrLf).head();
        assert!(start >= forms.plain().head());
        forms.append(&mut pages, 1, &[b"a: ", b"two", b"\n"]);
        assert_eq!(text(forms.of(Form::CrLf), start), "a: two\r\n");
        assert_eq!(text(forms.plain(), 0), "a: one\na: two\n");
        // Both have the same lines under the same numbers.
        assert_eq!(forms.of(Form::CrLf).lines_said(), forms.plain().lines_said());
        forms.leave(&mut pages, Form::CrLf);
        assert_eq!((forms.extra(), forms.held()), (1, pages.held()));
        forms.leave(&mut pages, Form::CrLf);
        assert_eq!((forms.extra(), forms.plain().held()), (0, pages.held()));
        forms.forget_before(&mut pages, Form::CrLf, u64::MAX);
        assert_eq!(text(forms.plain(), 0), "a: one\na: two\n");
        forms.free(&mut pages);
        assert_eq!(pages.held(), 0);
    }

    #[test]
    fn a_line_for_browsers_has_its_number_and_time() {
        let (mut forms, mut pages) = (Forms::new(1000, 0), Pages::new(1 << 20));
        let said = |seconds| Stamp { at_seconds: seconds, ..Stamp::from(1) };
        forms.append(&mut pages, said(6), &[b"a: one\n"]);
        forms.join(Form::Web);
        let start = forms.of(Form::Web).head();
        let extra = forms.extra();
        forms.append(&mut pages, said(7), &[b"a: ", "두울".as_bytes(), b"\n"]);
        let web = forms.of(Form::Web);
        let rendered = web.text(start, web.head());
        assert_eq!(rendered, [b"\x81\x0d", "1 7 a: 두울".as_bytes()].concat());
        assert!(rendered.len() <= "a: 두울\n".len() + extra);
        forms.free(&mut pages);
    }
}
