//! What a failed statement means for the batch: the one place that knows Postgres' error codes.

/// Why a batch could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing is wrong with the records: pause, then the same batch again.
    #[error("the database is not available")]
    Retry(#[source] sqlx::Error),
    /// It was too much at once: half of it next. A single record again after a pause, as in an outage.
    #[error("the database did not get through in time")]
    Slow(#[source] sqlx::Error),
    /// The database refuses what a record asks it to store: find the record, park it.
    #[error("the database refuses a record")]
    Refused(#[source] sqlx::Error),
    /// Another batch took what this one was decided by: at once again, decided anew.
    #[error("another batch changed what this one was decided by")]
    Overtaken,
    /// Another worker owns the partition: drop the batch, write nothing.
    #[error("another worker owns the partition")]
    Fenced,
    /// A defect of ours, such as a missing table: stop, park nothing.
    #[error("the database and this build do not fit together")]
    Incompatible(#[source] sqlx::Error),
    /// A defect of ours in code: stop, park nothing.
    #[error("{0}")]
    Broken(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
        match code {
            None => without_code(error),
            Some(code) => match class_of(&code) {
                Class::Retry => Self::Retry(error),
                Class::Slow => Self::Slow(error),
                Class::Refused => Self::Refused(error),
                Class::Incompatible => Self::Incompatible(error),
            },
        }
    }
}

/// What the client itself reports: a broken connection is an outage, a value that cannot be read
/// or a wrong statement is a defect of ours.
fn without_code(error: sqlx::Error) -> StoreError {
    use sqlx::Error::{ColumnDecode, ColumnNotFound, Configuration, Decode, Encode, TypeNotFound};
    match error {
        ColumnDecode { .. }
        | ColumnNotFound(_)
        | Configuration(_)
        | Decode(_)
        | Encode(_)
        | TypeNotFound { .. } => StoreError::Incompatible(error),
        _ => StoreError::Retry(error),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Retry,
    Slow,
    Refused,
    Incompatible,
}

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fn class_of(code: &str) -> Class {
    match code {
        // A schema or table that does not exist yet, or a role without the right: somebody has to
        // run the migrations or grant it.
        // A statement, a lock or a transaction took longer than it may: less may be fast enough.
        "57014" | "55P03" | "25P04" => Class::Slow,
        "42P01" | "42703" | "42501" | "3F000" | "42883" => Class::Incompatible,
        _ => match code.get(..2).unwrap_or_default() {
            // Data exceptions, broken constraints, and what is too long for a row or an index: it is
            // what a record asks for.
            "22" | "23" | "54" => Class::Refused,
            // Syntax, features, internal assumptions of the statement.
            "42" | "0A" | "26" | "34" => Class::Incompatible,
            // Connections, resources, operator intervention, system errors, conflicts between
            // transactions, read-only after a failover, and whatever is new.
            _ => Class::Retry,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_retried_a_bad_record_refused_a_wrong_build_incompatible() {
        let table = [
            ("08006", Class::Retry),        // connection failure
            ("40001", Class::Retry),        // serialization failure
            ("40P01", Class::Retry),        // deadlock
            ("53300", Class::Retry),        // too many connections
            ("53100", Class::Retry),        // disk full
            ("57P01", Class::Retry),        // shutdown by an administrator
            ("57P03", Class::Retry),        // still starting
            ("57014", Class::Slow),         // statement time-out
            ("25P04", Class::Slow),         // transaction time-out
            ("25P03", Class::Retry),        // idle in transaction
            ("25006", Class::Retry),        // read-only
            ("55P03", Class::Slow),         // lock not available
            ("58030", Class::Retry),        // I/O error
            ("XX000", Class::Retry),        // internal error
            ("22001", Class::Refused),      // value too long
            ("22003", Class::Refused),      // out of range
            ("22021", Class::Refused),      // a character the encoding does not have
            ("23505", Class::Refused),      // unique
            ("23514", Class::Refused),      // check
            ("54000", Class::Refused),      // longer than an index entry may be
            ("54001", Class::Refused),      // nested deeper than the stack allows
            ("42P01", Class::Incompatible), // no such table
            ("42501", Class::Incompatible), // not permitted
            ("42601", Class::Incompatible), // syntax
        ];
        for (code, expected) in table {
            assert_eq!(class_of(code), expected, "{code}");
        }
    }
}
