//! Defects put in on purpose, behind the test-only feature `faults`: `scripts/chaos --prove` shows that
//! each is noticed. Without the feature every one of them is off, whatever the environment says.

/// Whether the process was told to have this defect.
#[cfg(feature = "faults")]
pub fn active(fault: &str) -> bool {
    use std::sync::LazyLock;
    static FAULT: LazyLock<Option<String>> =
        LazyLock::new(|| crate::settings::optional("ORDERFLOW_FAULT"));
    FAULT.as_deref() == Some(fault)
}

/// Never: the feature is not there.
#[cfg(not(feature = "faults"))]
pub const fn active(_fault: &str) -> bool {
    false
}
