//! The pages as people use them: each test is a flow through them.

use browser::{Site, traffic};

/// A site with what people see on a busy day.
fn busy() -> Site {
    let mut all = traffic::recorded().expect("recorded traffic");
    all.extend(traffic::with_a_gap().expect("traffic with a gap"));
    all.extend(traffic::chain(0).expect("a request through two plugins"));
    Site::with(&all).expect("a site")
}

#[test]
fn the_list_is_filtered_by_its_address_and_needs_no_script() {
    busy().flow("list", &[]).unwrap_or_else(|error| panic!("{error:#}"));
}
