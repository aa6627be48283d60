//! Deliveries in any order.
