//! What a package brings beside the program: a man page of each command, and completions for bash,
//! zsh and fish. `scripts/release.sh` runs it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The command that is the same as no command: its page is that of the program.
const SAME: &str = "serve";

/// Writes all of them into this directory.
pub fn write(mut program: Command, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut visible(&program), "chinwag", dir)?;
    }
    program = program.disable_help_subcommand(true).mut_subcommand(SAME, |same| same.hide(true));
    program.build();
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_page(command, &format!("chinwag-{}", command.get_name()), dir)?;
    }
    write_page(&program, "chinwag", dir)
}

/// What a shell completes: nothing that `--help` hides.
fn visible(command: &Command) -> Command {
    let flags = command.get_arguments().filter(|flag| !flag.is_hide_set());
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .args(flags)
        .subcommands(commands.map(visible))
}

/// Writes the page of a command. What stands behind its flags in `--help` gets a section for each
/// title, with its lines as they are.
fn write_page(command: &Command, name: &str, dir: &Path) -> io::Result<()> {
    // A page has all flags, and not only what `-h` shows.
    let command = command.clone().mut_args(|flag| flag.hide_short_help(false));
    let behind = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let source = format!("chinwag {}", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.display_name(name)).source(source).manual("User Commands");
    let mut file = fs::File::create(dir.join(format!("{name}.1")))?;
    page.render_title(&mut file)?;
    page.render_name_section(&mut file)?;
    page.render_synopsis_section(&mut file)?;
    page.render_description_section(&mut file)?;
    page.render_options_section(&mut file)?;
    for line in behind.lines() {
        match line.strip_suffix(':') {
            Some(title) => writeln!(file, ".fi\n.SH \"{}\"\n.nf", title.to_uppercase())?,
            None => writeln!(file, "\\&{}", plain(line.strip_prefix("  ").unwrap_or(line)))?,
        }
    }
    writeln!(file, ".fi")?;
    if name == "chinwag" {
        page.render_subcommands_section(&mut file)?;
    }
    Ok(())
}

/// The characters that mean something else in roff(7), as plain ones.
fn plain(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    line.replace('`', "\\(ga").replace('\'', "\\(aq")
}
