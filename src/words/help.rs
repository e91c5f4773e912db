//! What `/help` tells, and the syntax of one command.

use unicode_width::UnicodeWidthStr;

use super::command::{COMMANDS, Rank, Row};
use super::lang::{LANGS, Lang};

/// What `/help` tells of behind the commands, in each language: what to write, and what it does.
const NO_COMMANDS: [[(&str, &str); LANGS]; 2] = [
    [("//TEXT", "say /TEXT"), ("//글", "/글이라고 말하기")],
    [("anything else", "is sent to all in the room"), ("그 밖의 것", "방의 모두에게 말하기")],
];

/// The commands that a client of this rank may give, one line each, aligned by the columns of a
/// terminal.
pub fn help(lang: Lang, rank: Rank) -> Vec<u8> {
    let commands = COMMANDS.iter().filter(|row| row.rank() <= rank).map(|row| row.help(lang));
    let rows = commands.chain(NO_COMMANDS.map(|row| row[lang as usize]));
    let columns = rows.clone().map(|(usage, _)| usage.width()).max().unwrap_or(0);
    let line = |(usage, what): (&str, &str)| {
        let gap = columns - usage.width() + 2;
        format!("* {usage}{:gap$}{what}\n", "")
    };
    rows.map(line).collect::<String>().into_bytes()
}

/// The syntax of a command, given its first word in any case.
pub fn usage(command: &str, lang: Lang) -> &'static str {
    Row::find(command).map_or("/help", |row| row.help(lang).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_written() {
        assert_eq!(usage("/msg", Lang::En), "/msg NAME TEXT");
        assert_eq!(usage("/NICK", Lang::Ko), "/nick 이름");
    }

    #[test]
    fn help_is_lined_up_in_every_language() {
        let ranks = [Rank::Anyone, Rank::Host, Rank::Operator];
        for (lang, rank) in
            [Lang::En, Lang::Ko].into_iter().flat_map(|lang| ranks.map(|rank| (lang, rank)))
        {
            let text = String::from_utf8(help(lang, rank)).unwrap();
            let rows = || COMMANDS.iter().filter(|row| row.rank() <= rank);
            assert_eq!(text.lines().count(), rows().count() + NO_COMMANDS.len());
            let mut widths = Vec::new();
            for (line, row) in text.lines().zip(rows()) {
                assert!(line.starts_with("* "), "{line}");
                let before = line.strip_suffix(row.help(lang).1).unwrap();
                widths.push(before.width());
            }
            for (line, row) in text.lines().rev().zip(NO_COMMANDS.iter().rev()) {
                widths.push(line.strip_suffix(row[lang as usize].1).unwrap().width());
            }
            widths.dedup();
            assert_eq!(widths.len(), 1, "{text}");
        }
    }
}
