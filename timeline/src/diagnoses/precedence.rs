//! Which cause is named where several hold of one call or one direction that hangs: the order of the two
//! procedures of host-semantics §4.7. What a diagnosis can tell of itself, that another one's case is none of
//! its own, stands in its own file; here stands what takes the findings of both.

use super::{
    call_connect_failure, call_timeout, callback_failure_unhandled as unhandled,
    callback_ran_no_resume as no_resume, own_local_reply_paused, vm_trap_collateral, wrong_context,
};
use crate::finding::{Finding, Severity};
use crate::story::Story;

/// Takes away the causes that give way to another one's.
pub fn settle(story: &Story<'_>, findings: &mut Vec<Finding>) {
    if findings.len() < 2 {
        return;
    }
    let trapped = has_trapped_alive(story);
    let stays: Vec<bool> = findings
        .iter()
        .map(|loser| !findings.iter().any(|winner| gives_way(loser, winner, trapped)))
        .collect();
    let mut stays = stays.into_iter();
    findings.retain(|_| stays.next().unwrap_or(true));
}

/// Did the VM trap while the stream was there?
fn has_trapped_alive(story: &Story<'_>) -> bool {
    vm_trap_collateral::trap(story).is_some_and(|trap| {
        trap.kind == abi::Kind::Callback(abi::Callback::Log)
            || story.ended().is_none_or(|end| trap.order() < end.order())
    })
}

fn gives_way(loser: &Finding, winner: &Finding, trapped: bool) -> bool {
    if loser.is_fact || winner.is_fact || loser == winner {
        return false;
    }
    match loser.code.as_str() {
        // What hangs for a call that failed tells why it did; of one that came too late nobody asks.
        code if code == call_timeout::DIAGNOSIS.code
            || code == call_connect_failure::DIAGNOSIS.code =>
        {
            winner.subject == loser.subject && winner.severity >= Severity::Failed
        }
        // What led to the trap comes before the trap.
        code if code == vm_trap_collateral::DIAGNOSIS.code => is_its_trap(winner),
        // What was meant to let it go did not: that comes before what else could have.
        _ if loser.severity == Severity::Hung && is_let_go_in_vain(winner, loser) => true,
        // An answer of the plugin's own should never have been stopped, for no call.
        code if code == no_resume::DIAGNOSIS.code || is_hung_callback(loser) => {
            winner.code == own_local_reply_paused::DIAGNOSIS.code || ends_all(winner, trapped)
        }
        // Where nothing runs any more nothing is resumed, whatever it waits for.
        _ => loser.severity == Severity::Hung && ends_all(winner, trapped),
    }
}

fn ends_all(winner: &Finding, trapped: bool) -> bool {
    trapped && (winner.code == vm_trap_collateral::DIAGNOSIS.code || is_its_trap(winner))
}

fn is_let_go_in_vain(winner: &Finding, loser: &Finding) -> bool {
    winner.code == wrong_context::DIAGNOSIS.code
        && (winner.subject == loser.subject || loser.code == no_resume::DIAGNOSIS.code)
}

fn is_hung_callback(finding: &Finding) -> bool {
    finding.code == unhandled::DIAGNOSIS.code && finding.severity == Severity::Hung
}

/// Is it a trap of which it is known what led to it?
fn is_its_trap(finding: &Finding) -> bool {
    finding.code == unhandled::DIAGNOSIS.code && finding.severity == Severity::Lost
}
