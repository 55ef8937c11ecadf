//! `docs/events.md`, written from the schemas and the topics. Explains nothing that they do not.

use std::fmt::Write;
use std::path::PathBuf;

use events_schema::topics::Retention;
use events_schema::{EventType, Topic};
use serde_json::Value;

use crate::given::{folder, history};

fn page() -> PathBuf {
    folder().join("../docs/events.md")
}

#[test]
fn the_page_of_events_is_as_fresh_as_the_schemas() {
    let found = std::fs::read_to_string(page()).unwrap_or_default();
    let how = "cargo test -p events-schema --test contract docs -- --ignored";
    assert!(found == rendered(), "docs/events.md is stale; write it with `{how}`");
}

#[test]
#[ignore = "writes docs/events.md"]
fn write_the_page_of_events() {
    std::fs::write(page(), rendered()).unwrap();
    assert!(page().exists());
}

const HEAD: &str = "\
# Events

Written from `events-schema/schemas` by `cargo test -p events-schema --test contract docs -- --ignored`; do not edit.

A value is Avro in Confluent's wire format: a zero byte, the schema id as four bytes big-endian, the datum.
Headers follow CloudEvents 1.0 in binary mode: `ce_specversion`, `ce_id`, `ce_type`, `ce_source`, `ce_time`, `ce_subject`, and `traceparent` of the W3C trace context.
Amounts of money are whole numbers in minor units; a currency stands beside them.
";

fn rendered() -> String {
    let mut page = HEAD.to_owned();
    for topic in Topic::ALL {
        let retention = match topic.retention() {
            Retention::Forever => "every record is kept for ever",
            Retention::Compacted => "the last record of each key is kept",
        };
        let (name, partitions) = (topic.name(), topic.partitions());
        let about = format!("\n## Topic `{name}`\n\n{partitions} partitions; {retention}.\n");
        page.push_str(&about);
        topic.event_types().for_each(|event_type| page.push_str(&section(event_type)));
    }
    page
}

fn section(event_type: EventType) -> String {
    let schema: Value = serde_json::from_str(event_type.schema()).unwrap();
    let (file, version) = (event_type.file_name(), history(event_type).len());
    let mut section = format!(
        "\n### {}\n\n{}\n\n`ce_type` `{}` · subject `{}` · schema version {version} · \
         [`{file}.avsc`](../events-schema/schemas/{file}.avsc)\n\n\
         | field | type | meaning |\n|---|---|---|\n",
        event_type.name(),
        text(&schema, "doc"),
        event_type.full_name(),
        event_type.subject(),
    );
    rows(&schema, "", &mut section);
    section
}

fn rows(record: &Value, prefix: &str, section: &mut String) {
    for field in record["fields"].as_array().into_iter().flatten() {
        let name = format!("{prefix}{}", text(field, "name"));
        let of = &field["type"];
        let inner = nested(of);
        let meaning = match text(field, "doc") {
            "" => inner.map_or("", |record| text(record, "doc")),
            doc => doc,
        };
        writeln!(section, "| `{name}` | {} | {meaning} |", type_name(of)).unwrap();
        let dots = if text(of, "type") == "array" { "[]." } else { "." };
        inner.into_iter().for_each(|inner| rows(inner, &format!("{name}{dots}"), section));
    }
}

/// The record inside an array or an optional type.
fn nested(of: &Value) -> Option<&Value> {
    match of {
        Value::Array(branches) => branches.iter().find_map(nested),
        _ if text(of, "type") == "array" => nested(&of["items"]),
        _ => (text(of, "type") == "record").then_some(of),
    }
}

fn type_name(of: &Value) -> String {
    match of {
        Value::String(name) => name.clone(),
        Value::Array(branches) => {
            let names: Vec<_> = branches.iter().filter(|b| *b != "null").map(type_name).collect();
            format!("{}, or null", names.join(" or "))
        }
        _ => match (text(of, "type"), text(of, "logicalType")) {
            ("array", _) => format!("array of {}", type_name(&of["items"])),
            ("record", _) => text(of, "name").to_owned(),
            (plain, "") => plain.to_owned(),
            (plain, logical) => format!("{plain} ({logical})"),
        },
    }
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}
