//! What inventory does, from the outside. `rules` needs nothing; `sql` needs a Postgres.

// Named as tests, so that clippy lets what they share unwrap too.
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod given;
#[cfg(test)]
mod history;
#[cfg(test)]
mod overtaken;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sql;
