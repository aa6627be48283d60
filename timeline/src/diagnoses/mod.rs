//! The diagnoses, one file each: explanation, predicate, example and near misses.

pub mod callback_ran_no_resume;
pub mod dispatch_rejected;
pub mod headers_forwarded_before_body_call;
pub mod late_callback;
pub mod response_while_request_held;
pub mod waiting_on_call;

mod phrases;
