//! The labelled corpus: requests of which is known what must be found of them, and nothing else. One row
//! serves the scenarios, the soak and the recordings, so a new way to misuse a host is one row in
//! [`rows`], or in [`go`] for what is of the Go SDK.
//!
//! Each row is played twice: on a host that calls the body phase while the headers are held
//! (`allow_on_headers_stop_iteration`), and on one that holds the body back too.

mod go;
mod recorded;
mod rows;
mod subjects;
pub mod traps;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::client::{Answer, Request};
use crate::collector::Finding;
use crate::stack::{Builder, Stack};

pub use subjects::{SUBJECTS, Subject};

/// So long a client waits for an answer that may never come. A row whose request needs more says so. It is a
/// second and more longer, or shorter, than all that it is to come after or before, as these are among each
/// other: a busy machine makes anything late.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Requests at a time: most of them wait for something.
const CLIENTS: usize = 12;

/// A request and what must be found of it.
pub struct Row {
    /// Unique, kebab-case. It stands in the path of the request: by it alone a timeline is judged.
    pub label: &'static str,
    /// Who does it.
    pub subject: &'static Subject,
    request: fn() -> Request,
    finds: Finds,
    /// What must be found instead where the client was denied: a busy machine outlasted a timeout that
    /// cannot be longer.
    if_denied: Option<Expected>,
}

/// What the client of a request saw: what is to be found follows what happened, which a busy machine may make
/// another thing than was planned.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    status: u16,
    took: Duration,
}

/// All of them.
pub fn rows() -> impl Iterator<Item = &'static Row> + Clone {
    rows::ROWS.iter().chain(go::ROWS)
}

/// Sends each of these subjects a request with nothing to find, on both kinds of host: the worker takes its
/// first one when it has made all its VMs, those in Go among them.
///
/// # Panics
/// When one is not answered.
pub fn serve_first(stack: &Stack, subjects: &[&Subject]) {
    let row = Row::of("nothing").expect("a row with nothing to find");
    for subject in subjects {
        for holding in Holding::BOTH {
            let request = row.request().patience(Duration::from_secs(120));
            assert_eq!(stack.send(&subject.listener(holding), &request).status, 200);
        }
    }
}

/// Plays each row, some at a time; answers what was not as it must be.
///
/// # Panics
/// When playing one does.
pub fn play_all(
    rows: &[(&Row, Holding)],
    play: impl Fn(&Row, Holding) -> Option<String> + Sync,
) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some((row, holding)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let differs = play(row, *holding);
                    wrong.lock().expect("no client panics with it").extend(differs);
                }
            });
        }
    });
    wrong.into_inner().expect("no client panicked")
}

/// What a busy machine adds to any row: it takes the CPU away within an invocation for 50 ms and more, and
/// nobody can see that it was not the plugin that computed.
const BUSY: (&str, &str) = ("slow-callback", "note");
/// Such an invocation of a second and more is a failure.
const BLOCKED: (&str, &str, Duration) = ("slow-callback", "failed", Duration::from_secs(1));
/// What a plugin of the corpus denies with.
const DENIED: u16 = 403;

/// Codes and severities.
pub type Expected = &'static [(&'static str, &'static str)];

enum Finds {
    Always(Expected),
    ByHost { calls_body: Expected, holds_all: Expected },
}

/// What a host does with the body while the headers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holding {
    /// Calls the body phase.
    HeadersAlone,
    /// Holds it back too: stock Envoy when nothing is said.
    All,
}

impl Holding {
    /// Both.
    pub const BOTH: [Holding; 2] = [Holding::HeadersAlone, Holding::All];

    /// That of a plugin's host, by its name ([`Subject::listener`]).
    pub fn of_listener(name: &str) -> Option<Holding> {
        Holding::BOTH.into_iter().find(|holding| name.ends_with(&format!("-{}", holding.name())))
    }

    /// In names.
    pub fn name(self) -> &'static str {
        match self {
            Holding::HeadersAlone => "headers-alone",
            Holding::All => "all",
        }
    }
}

impl Row {
    /// The row of a label.
    pub fn of(label: &str) -> Option<&'static Row> {
        rows().find(|row| row.label == label)
    }

    /// The row whose request had this path, without its query.
    pub fn of_path(path: &str) -> Option<&'static Row> {
        path.rsplit_once('/').and_then(|(_, label)| Row::of(label))
    }

    /// The request, with the label in its path behind the manner that the path begins with.
    pub fn request(&self) -> Request {
        (self.request)().labelled(self.label)
    }

    /// All that must be found, facts too.
    pub fn expected(&self, holding: Holding) -> Expected {
        match (&self.finds, holding) {
            (Finds::Always(expected), _) => expected,
            (Finds::ByHost { calls_body, .. }, Holding::HeadersAlone) => calls_body,
            (Finds::ByHost { holds_all, .. }, Holding::All) => holds_all,
        }
    }

    /// All that must be found of a request whose client saw that.
    pub fn expected_of(&self, holding: Holding, seen: Seen) -> Expected {
        match self.if_denied {
            Some(expected) if seen.status == DENIED => expected,
            _ => self.expected(holding),
        }
    }

    /// The same row, where that is found instead when the client is denied.
    pub(crate) const fn if_denied(self, expected: Expected) -> Row {
        Row { if_denied: Some(expected), ..self }
    }

    /// The plugin that it goes through.
    pub fn listener(&self, holding: Holding) -> String {
        self.subject.listener(holding)
    }

    /// [`Seen::is_busy_machine`], of this row.
    pub fn is_busy_machine(&self, holding: Holding, seen: Seen, finding: &Finding) -> bool {
        seen.is_busy_machine(finding, self.expected_of(holding, seen))
    }

    /// Keeps its timeline, in script notation, for the tests of `timeline`.
    ///
    /// # Errors
    /// When it is no script, or cannot be written.
    pub fn keep(&self, holding: Holding, script: &str) -> anyhow::Result<()> {
        recorded::keep(self, holding, script)
    }

    /// What is found beyond what must be, and what is missing; None when it is exactly as it must be.
    pub fn differs(&self, holding: Holding, seen: Seen, findings: &[Finding]) -> Option<String> {
        let mut expected = self.expected_of(holding, seen).to_vec();
        let of_row = findings.iter().filter(|finding| !seen.is_busy_machine(finding, &expected));
        let mut found: Vec<(&str, &str)> =
            of_row.map(|finding| (&*finding.code, seen.severity(finding))).collect();
        found.sort_unstable();
        expected.sort_unstable();
        (found != expected).then(|| {
            let Row { label, .. } = self;
            format!("{label} ({}): found {found:?}, wanted {expected:?}", holding.name())
        })
    }
}

impl Seen {
    /// No client was there, or it is not known which one.
    pub const NOTHING: Seen = Seen { status: 0, took: Duration::ZERO };

    /// Of an answer.
    pub fn of(answer: &Answer) -> Seen {
        Seen { status: answer.status, took: answer.took }
    }

    /// Did the client leave without an answer?
    pub fn gave_up(self) -> bool {
        self.status == 0
    }

    /// The severity of a finding as the rows have it: no row holds its worker for a second, but a machine may that
    /// makes its client wait as long.
    pub fn severity(self, finding: &Finding) -> &str {
        let (code, severity, least) = BLOCKED;
        let is_blocked = (&*finding.code, &*finding.severity) == (code, severity);
        if is_blocked && self.took >= least { BUSY.1 } else { &finding.severity }
    }

    /// Is that finding none of those that must be found, but one that a busy machine adds to any?
    pub fn is_busy_machine(self, finding: &Finding, expected: &[(&str, &str)]) -> bool {
        (&*finding.code, self.severity(finding)) == BUSY && !expected.contains(&BUSY)
    }
}

/// Forgets the kept timelines of rows that there are no more.
///
/// # Errors
/// When they cannot be removed.
pub fn forget_others() -> anyhow::Result<()> {
    recorded::forget_others()
}

/// A stack with a listener for each of these subjects and both kinds of host.
pub fn builder(subjects: &[&Subject]) -> Builder {
    let mut builder = Builder::default();
    for subject in subjects {
        for holding in Holding::BOTH {
            builder = builder.plugin(&subject.listener(holding), subject.plugin(holding));
        }
    }
    builder.discovers(subjects::EMPTY, None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Finding, Holding, Row, SUBJECTS, Seen, rows};

    #[test]
    fn labels_are_unique_and_kebab_case() {
        for (at, row) in rows().enumerate() {
            let label = row.label;
            let is_kebab = label.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            assert!(is_kebab, "{label}");
            assert!(rows().take(at).all(|other| other.label != label), "{label} stands twice");
        }
    }

    #[test]
    fn a_row_is_known_by_the_path_of_its_request() {
        for row in rows() {
            let path = row.request().path().split('?').next().unwrap_or_default().to_owned();
            assert_eq!(Row::of_path(&path).map(|found| found.label), Some(row.label), "{path}");
        }
    }

    #[test]
    fn what_must_be_found_follows_what_the_client_saw() {
        let row = Row::of("go-default-timeout-suffices").expect("a row with a short timeout");
        let after = |status, millis| Seen { status, took: Duration::from_millis(millis) };
        assert_eq!(row.expected_of(Holding::All, after(200, 60)), []);
        let timeout = Finding {
            code: "call-timeout".to_owned(),
            severity: "failed".to_owned(),
            headline: String::new(),
            is_cause: true,
        };
        let slow = Finding { code: "slow-callback".to_owned(), ..timeout.clone() };
        let all = [timeout, slow];
        let differs = |seen| row.differs(Holding::All, seen, &all).is_some();
        assert!(differs(after(200, 1_100)), "a timeout, and the client was let in");
        assert!(differs(after(403, 900)), "held for a second, and the client did not wait so long");
        assert!(!differs(after(403, 1_100)));
        let computes = Row::of("computes").expect("a row that holds its worker");
        let differs = |seen| computes.differs(Holding::All, seen, &all[1..]).is_some();
        assert!(differs(after(200, 900)) && !differs(after(200, 1_100)));
    }

    #[test]
    fn every_subject_has_rows_and_listeners_of_its_own() {
        for (at, subject) in SUBJECTS.iter().enumerate() {
            assert!(rows().any(|row| row.subject.name == subject.name), "{}", subject.name);
            let before = SUBJECTS[..at].iter();
            let mut names =
                before.flat_map(|one| Holding::BOTH.map(|holding| one.listener(holding)));
            assert!(names.all(|name| name != subject.listener(Holding::All)), "{}", subject.name);
        }
    }
}
