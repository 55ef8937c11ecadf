//! The one HTTP client of a test's process. Keeps no connection: each test has a runtime of its own, and
//! what one of them opened ends with it.

use std::sync::LazyLock;

/// For all: to make a client reads every certificate of the system, which takes longer than most
/// answers.
pub fn client() -> &'static reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> =
        LazyLock::new(|| reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap());
    &CLIENT
}
