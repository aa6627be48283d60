//! A model of the whole way from recorder to verdict, with a wire that loses, repeats and reorders, a
//! collector that crashes and a wall clock that steps. The tests in `tests/` drive it.
