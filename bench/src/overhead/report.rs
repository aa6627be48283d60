//! What is printed.

use std::fmt;

use super::Compare;
use super::measure::{Comparison, Total};

/// Recorded events per second below which a row says nothing.
const LEAST_EVENTS_PER_SECOND: f64 = 1000.0;

/// One measured row.
pub struct Row {
    pub plugin: String,
    pub compare: Compare,
    pub budget: Option<f64>,
    pub comparison: Comparison,
}

/// What stands above the rows.
pub fn heading(seconds: u32, slices: u32) -> String {
    format!(
        "Envoy's CPU per request, one divided by the other: median (least–most) of {slices} slices in \
         {seconds} s, both loaded at once on one core"
    )
}

impl Row {
    fn title(&self) -> String {
        let compared = match self.compare {
            Compare::Budgets => "instrumented ÷ original",
            Compare::Same => "original ÷ itself",
            Compare::SameInstrumented => "instrumented ÷ itself",
            Compare::BlackHole => "collector black-holed ÷ healthy",
        };
        format!("{}, {compared}", self.plugin)
    }

    /// The contender whose events are counted: the black-holed one delivers none.
    fn recorded(&self) -> Option<&Total> {
        match self.compare {
            Compare::Same => None,
            Compare::BlackHole => Some(&self.comparison.totals[1]),
            Compare::Budgets | Compare::SameInstrumented => Some(&self.comparison.totals[0]),
        }
    }

    fn verdict(&self) -> String {
        let events = self.recorded().map(|total| total.received.events as f64);
        let per_second = events.map(|events| events / self.comparison.elapsed.as_secs_f64());
        match (per_second, self.budget) {
            (Some(rate), _) if rate < LEAST_EVENTS_PER_SECOND => {
                format!("void: {rate:.0} recorded events/s, {LEAST_EVENTS_PER_SECOND} are needed")
            }
            (_, Some(budget)) if self.comparison.median() <= budget => {
                format!("budget {budget:.2}: met")
            }
            (_, Some(budget)) => format!("budget {budget:.2}: NOT met"),
            (_, None) => "no budget".into(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { ratios, totals: [first, second], elapsed } = &self.comparison;
        let (least, most) = (ratios.first().unwrap_or(&0.0), ratios.last().unwrap_or(&0.0));
        let median = self.comparison.median();
        writeln!(f, "{}", self.title())?;
        writeln!(f, "  ratio     {median:.3} ({least:.3}–{most:.3})   {}", self.verdict())?;
        let rate = |total: &Total| total.requests as f64 / elapsed.as_secs_f64();
        write!(
            f,
            "  Envoy     {:.1} ÷ {:.1} µs CPU per request, at {:.0} and {:.0} requests/s",
            first.micros_per_request(),
            second.micros_per_request(),
            rate(first),
            rate(second),
        )?;
        let Some(total) = self.recorded() else { return Ok(()) };
        let received = total.received;
        let (events, requests) = (received.events as f64, total.requests as f64);
        write!(
            f,
            "\n  recorded  {:.0} events/s, {:.2} per request, {:.1} bytes each on the wire, {} batches\
             \n  recorder  {:.2} hostcalls of its own per request, {} events lost, {} batches broken",
            events / elapsed.as_secs_f64(),
            events / requests,
            received.bytes as f64 / events,
            received.batches,
            received.own_hostcalls as f64 / requests,
            received.lost,
            received.broken,
        )
    }
}
