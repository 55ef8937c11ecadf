//! The contract: what was ever written must be read, and the schemas may only grow. One binary,
//! so that it is linked once.

#[cfg(test)]
#[path = "contract/cases.rs"]
mod cases;
#[cfg(test)]
#[path = "contract/compatibility.rs"]
mod compatibility;
#[cfg(test)]
#[path = "contract/docs.rs"]
mod docs;
#[cfg(test)]
#[path = "contract/given.rs"]
mod given;
#[cfg(test)]
#[path = "contract/golden.rs"]
mod golden;
#[cfg(test)]
#[path = "contract/invariants.rs"]
mod invariants;
#[cfg(test)]
#[path = "contract/meaning.rs"]
mod meaning;
#[cfg(test)]
#[path = "contract/properties.rs"]
mod properties;
#[cfg(test)]
#[path = "contract/round_trip.rs"]
mod round_trip;
#[cfg(test)]
#[path = "contract/rules.rs"]
mod rules;
