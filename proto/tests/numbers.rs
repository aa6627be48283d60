//! The numbers that `abi` names are those of the wire.

use abi::CallFailure;
use proto::fields::call_failure;

#[test]
fn the_failures_of_calls_have_the_numbers_of_the_wire() {
    let wire = |failure| match failure {
        CallFailure::None => call_failure::NONE,
        CallFailure::Timeout => call_failure::TIMEOUT,
        CallFailure::Connect => call_failure::CONNECT,
        CallFailure::Reset => call_failure::RESET,
        CallFailure::NoHealthyHost => call_failure::NO_HEALTHY_HOST,
        CallFailure::Other => call_failure::OTHER,
    };
    for failure in CallFailure::ALL {
        assert_eq!(failure.number(), wire(failure), "{failure:?}");
        assert_eq!(CallFailure::from_number(failure.number()), Some(failure));
    }
    let newer = proto::v1::CallFailure::try_from(CallFailure::ALL.len() as i32);
    assert!(newer.is_err(), "the wire knows a failure that abi does not: {newer:?}");
}
