//! One VM, many lives: plugins that share a VM, configurations that are pushed while streams are in
//! flight, ticks of several roots, an Envoy that drains, stops or is restarted hot. In each the events
//! are on the right plugin and root, nothing is found that is not so, and no timer outlives its root.

mod churn;
mod ended;
mod pushed;
mod replaced;
mod scene;
mod shared;
mod ticks;
mod told;
