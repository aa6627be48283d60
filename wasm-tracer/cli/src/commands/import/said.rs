//! What is told at the end of an import: what was read and what was not.

use import::Account;

use super::folded::Folded;
use super::input::Input;

/// Tells it on standard error.
pub fn account(account: &Account, input: &Input, folded: &Folded) {
    for line in lines(account, folded) {
        eprintln!("{line}");
    }
    if input.too_long > 0 {
        let were = if input.too_long == 1 { "was" } else { "were" };
        eprintln!(
            "{} {were} longer than 64 KiB; what is beyond was left out",
            many(input.too_long, "line")
        );
    }
}

fn lines(account: &Account, folded: &Folded) -> Vec<String> {
    let Account { lines, understood, joined, others, defects, first, unsure } = account;
    let mut said = vec![format!(
        "{} read: {understood} of the trace, {others} of something else, {defects} that could not be \
         understood{}",
        many(*lines, "line"),
        match joined {
            0 => String::new(),
            joined => format!(", {joined} that are pieces of broken ones"),
        }
    )];
    said.extend(first.iter().map(|defect| format!("  {defect}")));
    if *defects > first.len() as u64 {
        said.push(format!("  and {} more", defects - first.len() as u64));
    }
    if *defects > 0 {
        said.push(
            "what these lines said is taken as lost: where it matters nothing is claimed"
                .to_owned(),
        );
    }
    if *unsure > 0 {
        said.push(format!(
            "{unsure} callbacks may have run in any of several VMs of one thread and were left out: log with \
             one plugin at a time, or give all of them the same vm_id and code"
        ));
    }
    said.push(format!(
        "{}, {} with findings; a trace log shows no cluster, header, text or property, and what depends on \
         these is not known",
        many(folded.timelines, "timeline"),
        folded.with_findings
    ));
    said
}

/// `1 line`, `2 lines`
fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
