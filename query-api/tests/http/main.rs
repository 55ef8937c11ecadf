//! The API over real HTTP, on a real database that inventory itself fills.

// Named as tests, so that clippy lets what they share unwrap too.
#[cfg(test)]
mod house;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod products;
#[cfg(test)]
mod refusals;
