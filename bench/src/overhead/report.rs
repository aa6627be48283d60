//! What is printed.

use std::fmt;

use super::Compare;
use super::measure::{Comparison, Total};

/// Recorded events per second below which a row says nothing, where all streams are recorded.
const LEAST_EVENTS_PER_SECOND: f64 = 1000.0;

/// One measured row.
pub struct Row {
    pub plugin: String,
    pub compare: Compare,
    /// Share of streams that are recorded; none where recording is off.
    pub rate: Option<f64>,
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
        match (self.recorded(), self.rate) {
            (Some(_), Some(rate)) if rate < 1.0 => {
                format!("{}, {compared}, at the rate {rate}", self.plugin)
            }
            (Some(_), None) => format!("{}, {compared}, off", self.plugin),
            _ => format!("{}, {compared}", self.plugin),
        }
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
        let received = self.recorded().map(|total| total.received);
        let seconds = self.comparison.elapsed.as_secs_f64();
        let least = LEAST_EVENTS_PER_SECOND * self.rate.unwrap_or_default();
        match (received, self.budget) {
            // Where no stream is chosen, or all is off, a heartbeat comes each ten seconds.
            (Some(received), _) if received.batches == 0 => {
                "void: the recorder sent nothing".into()
            }
            (Some(received), _) if (received.events as f64) < least * seconds => {
                let events = received.events as f64 / seconds;
                format!("void: {events:.0} recorded events/s, {least:.0} are needed")
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
        write!(f, "\n  recorded  {:.0} events/s, ", events / elapsed.as_secs_f64())?;
        write!(f, "{:.2} per request, ", events / requests)?;
        match received.events {
            0 => write!(f, "{} bytes on the wire, ", received.bytes)?,
            _ => write!(f, "{:.1} bytes each on the wire, ", received.bytes as f64 / events)?,
        }
        write!(
            f,
            "{} batches\
             \n  recorder  {:.2} hostcalls of its own per request, {} events lost, {} batches broken",
            received.batches,
            received.own_hostcalls as f64 / requests,
            received.lost,
            received.broken,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::servers::Received;
    use super::*;

    /// Ten seconds of one that records at this rate, ratio 1.05.
    fn row(rate: impl Into<Option<f64>>, batches: u64, events: u64) -> Row {
        let received = Received { batches, events, bytes: 20 * events, ..Received::default() };
        let total = Total { requests: 1000, cpu: Duration::from_millis(50), received };
        let comparison = Comparison {
            ratios: vec![1.05],
            totals: [total, Total { received: Received::default(), ..total }],
            elapsed: Duration::from_secs(10),
        };
        let plugin = "empty-rust".to_owned();
        Row { plugin, compare: Compare::Budgets, rate: rate.into(), budget: Some(1.03), comparison }
    }

    #[test]
    fn a_row_is_void_when_less_is_recorded_than_its_rate_makes_of_a_thousand_events_a_second() {
        assert_eq!(row(1.0, 9, 9_990).verdict(), "void: 999 recorded events/s, 1000 are needed");
        assert_eq!(row(1.0, 9, 10_000).verdict(), "budget 1.03: NOT met");
        assert_eq!(row(0.01, 9, 50).verdict(), "void: 5 recorded events/s, 10 are needed");
        assert_eq!(row(0.01, 9, 100).verdict(), "budget 1.03: NOT met");
        assert_eq!(row(0.0, 9, 0).verdict(), "budget 1.03: NOT met");
        assert_eq!(row(0.0, 0, 0).verdict(), "void: the recorder sent nothing");
        assert_eq!(row(None, 2, 0).verdict(), "budget 1.03: NOT met");
        assert_eq!(row(None, 0, 0).verdict(), "void: the recorder sent nothing");
    }

    #[test]
    fn a_row_tells_the_rate_unless_all_is_recorded_and_no_number_that_is_none() {
        let title = |row: &Row| row.to_string().lines().next().map(str::to_owned);
        let all = "empty-rust, instrumented ÷ original";
        assert_eq!(title(&row(1.0, 9, 10_000)).as_deref(), Some(all));
        let sampled = format!("{all}, at the rate 0.01");
        assert_eq!(title(&row(0.01, 9, 100)), Some(sampled));
        assert_eq!(title(&row(None, 9, 0)), Some(format!("{all}, off")));
        assert!(!row(0.0, 9, 0).to_string().contains("NaN"));
    }
}
