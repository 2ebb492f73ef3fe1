//! What packagers install beside the program: completions and manual pages.

use super::{Cli, CliResult, Exit, answer};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

#[derive(Args)]
#[command(after_help = "\
Example:
  absint completions bash > ~/.local/share/bash-completion/completions/absint")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint man > absint.1
  absint man certify > absint-certify.1")]
pub struct ManArgs {
    /// The subcommand [default: the program itself]
    command: Option<String>,
}

pub fn completions(args: &CompletionsArgs) -> CliResult<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "absint", &mut script);
    answer(&String::from_utf8(script)?)?;
    Ok(Exit::Success)
}

pub fn man(args: &ManArgs) -> CliResult<Exit> {
    let mut program = Cli::command();
    program.build();
    let page = match &args.command {
        None => Man::new(program),
        Some(name) => {
            let found = program.get_subcommands().find(|c| c.get_name() == name).cloned();
            let found = found.ok_or_else(|| format!("there is no subcommand `{name}`; `absint help` lists them"))?;
            Man::new(found).title(format!("absint-{name}"))
        }
    };
    let mut text = Vec::new();
    page.render(&mut text)?;
    answer(&String::from_utf8(text)?)?;
    Ok(Exit::Success)
}
