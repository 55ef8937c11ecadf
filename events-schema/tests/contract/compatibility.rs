//! The compatibility gate: no `.avsc` changes in a way that somebody could not read. The rules
//! themselves are in `rules`.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use events_schema::EventType;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::given::{folder, hex, history, history_file};
use crate::rules::{Broken, broken};

fn parse(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap()
}

#[test]
fn every_schema_is_compatible_with_every_version_before_it() {
    for event_type in EventType::ALL {
        let name = event_type.name();
        for (version, old) in (1..).zip(history(event_type)) {
            let found = broken(&parse(&old), &parse(event_type.schema()));
            let found: Vec<_> = found.iter().map(Broken::to_string).collect();
            assert!(found.is_empty(), "{name} against version {version}: {}", found.join("; "));
        }
    }
}

/// A second opinion, which names neither rule nor field.
#[test]
fn apache_avro_agrees_that_every_version_can_be_read() {
    for event_type in EventType::ALL {
        let reader = Schema::parse_str(event_type.schema()).unwrap();
        for old in history(event_type) {
            let writer = Schema::parse_str(&old).unwrap();
            SchemaCompatibility::can_read(&writer, &reader).unwrap();
        }
    }
}

#[test]
fn every_schema_is_the_newest_version_of_its_history() {
    for event_type in EventType::ALL {
        let (versions, file) = (history(event_type), event_type.file_name());
        let next = versions.len() + 1;
        assert!(
            versions.last().map(String::as_str) == Some(event_type.schema()),
            "schemas/{file}.avsc was changed: commit it as schemas/history/{file}/{next}.avsc, too"
        );
    }
}

#[test]
fn no_version_of_the_history_was_edited_or_removed() {
    let listed = std::fs::read_to_string(folder().join("schemas/history/SHA256SUMS")).unwrap();
    assert_eq!(sums(), listed, "committed versions never change; for a new one add its line");
}

#[test]
#[ignore = "writes the hashes of the history; after a new version was added"]
fn add_the_new_versions_to_the_hashes() {
    let file = folder().join("schemas/history/SHA256SUMS");
    let listed = std::fs::read_to_string(&file).unwrap_or_default();
    let kept = listed.lines().all(|line| sums().contains(line));
    assert!(kept, "a committed version was edited or removed");
    std::fs::write(file, sums()).unwrap();
}

/// In the form of sha256sum(1).
fn sums() -> String {
    let mut lines = vec![];
    for event_type in EventType::ALL {
        for (version, schema) in (1..).zip(history(event_type)) {
            let file = history_file(event_type, version);
            let name = file.strip_prefix(folder().join("schemas/history")).unwrap().display();
            lines.push(format!("{}  {name}\n", hex(&Sha256::digest(schema))));
        }
    }
    lines.concat()
}

/// A record of every kind of type there is.
fn old() -> Value {
    json!({"type": "record", "namespace": "n", "name": "R", "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "count", "type": "int"},
        {"name": "sum", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": null},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
        {"name": "sealed", "type": {"type": "fixed", "name": "F", "size": 16}},
        {"name": "by_key", "type": {"type": "map", "values": "int"}},
        {"name": "lines", "type": {"type": "array", "items":
            {"type": "record", "name": "L", "fields": [{"name": "sku", "type": "string"}]}}},
        {"name": "first", "type": ["null", "L"], "default": null}
    ]})
}

/// The old record after `edit` of what `pointer` points to.
fn edited(pointer: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut schema = old();
    edit(schema.pointer_mut(pointer).unwrap());
    schema
}

fn with(pointer: &str, value: Value) -> Value {
    edited(pointer, |place| *place = value)
}

fn with_field(pointer: &str, field: Value) -> Value {
    edited(pointer, |fields| fields.as_array_mut().unwrap().push(field))
}

fn without_field(name: &str) -> Value {
    edited("/fields", |fields| fields.as_array_mut().unwrap().retain(|f| f["name"] != name))
}

#[track_caller]
fn check(new: Value, expected: &[(&str, &str)]) {
    let found = broken(&old(), &new);
    let found: Vec<_> = found.iter().map(|b| (b.rule, b.field.as_str())).collect();
    assert_eq!(found, expected, "{new:#}");
}

#[test]
fn an_edit_that_everybody_can_read_passes() {
    check(old(), &[]);
    check(edited("", |schema| schema["doc"] = json!("Another word.")), &[]);
    check(edited("/fields", |fields| fields.as_array_mut().unwrap().reverse()), &[]);
}

#[test]
fn a_field_with_a_default_may_come_and_go() {
    check(with_field("/fields", json!({"name": "x", "type": "int", "default": 0})), &[]);
    check(without_field("note"), &[]);
    let nested = json!({"name": "x", "type": ["null", "int"], "default": null});
    check(with_field("/fields/7/type/items/fields", nested), &[]);
}

#[test]
fn a_field_without_a_default_may_not_come_or_go() {
    check(
        with_field("/fields", json!({"name": "x", "type": "boolean"})),
        &[("field-added-without-default", "R.x")],
    );
    check(without_field("sum"), &[("field-removed-without-default", "R.sum")]);
    check(
        with_field("/fields/7/type/items/fields", json!({"name": "x", "type": "int"})),
        &[
            ("field-added-without-default", "R.lines[].x"),
            ("field-added-without-default", "R.first.x"),
        ],
    );
}

#[test]
fn a_field_is_renamed_only_with_an_alias() {
    check(
        with("/fields/2/name", json!("total")),
        &[
            ("field-renamed-without-alias", "R.total (was sum)"),
            ("field-removed-without-default", "R.sum"),
        ],
    );
    let aliased = json!({"name": "total", "type": "long", "aliases": ["sum"]});
    check(with("/fields/2", aliased), &[]);
}

#[test]
fn a_default_must_be_of_the_first_branch() {
    for (field, fits) in [
        (json!({"name": "x", "type": ["null", "int"], "default": 0}), false),
        (json!({"name": "x", "type": ["int", "null"], "default": 0}), true),
        (json!({"name": "x", "type": "string", "default": null}), false),
        (json!({"name": "x", "type": "int", "default": 3_000_000_000_i64}), false),
    ] {
        let expected = [("default-does-not-fit", "R.x")];
        check(with_field("/fields", field), if fits { &[] } else { &expected });
    }
}

#[test]
fn a_type_may_become_wider_and_nothing_else() {
    check(with("/fields/1/type", json!("long")), &[]);
    check(with("/fields/6/type/values", json!("double")), &[]);
    check(with("/fields/2/type", json!("int")), &[("type-narrowed", "R.sum")]);
    check(with("/fields/2/type", json!("string")), &[("type-changed", "R.sum")]);
    check(with("/fields/6/type/values", json!("string")), &[("type-changed", "R.by_key{}")]);
    check(with("/fields/5/type/size", json!(12)), &[("size-changed", "R.sealed")]);
    check(
        with("/fields/7/type/items/fields/0/type", json!("int")),
        &[("type-changed", "R.lines[].sku"), ("type-changed", "R.first.sku")],
    );
}

#[test]
fn a_logical_type_may_not_change() {
    let rule = [("logical-type-changed", "R.id")];
    check(with("/fields/0/type", json!("string")), &rule);
    check(with("/fields/0/type/logicalType", json!("iri")), &rule);
    let millis = json!({"type": "long", "logicalType": "timestamp-millis"});
    check(with("/fields/2/type", millis.clone()), &[("logical-type-changed", "R.sum")]);
    check(with("/fields/2/type", json!(["null", millis])), &[("type-changed", "R.sum")]);
    let duration = json!({"type": "fixed", "name": "F", "size": 16, "logicalType": "duration"});
    check(with("/fields/5/type", duration), &[("logical-type-changed", "R.sealed")]);
    let sku = json!({"type": "string", "logicalType": "uuid"});
    check(
        with("/fields/7/type/items/fields/0/type", sku),
        &[("logical-type-changed", "R.lines[].sku"), ("logical-type-changed", "R.first.sku")],
    );
}

#[test]
fn a_decimal_keeps_its_scale() {
    let decimal = |scale: u8| {
        let kind =
            json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale});
        json!({"type": "record", "name": "R", "fields": [{"name": "price", "type": kind}]})
    };
    let found = broken(&decimal(2), &decimal(3));
    let found: Vec<_> = found.iter().map(|b| (b.rule, b.field.as_str())).collect();
    assert_eq!(found, [("logical-type-changed", "R.price")]);
}

#[test]
fn a_branch_may_join_a_union_and_not_leave_it() {
    check(with("/fields/3/type", json!(["null", "string", "int"])), &[]);
    check(with("/fields/2/type", json!(["null", "long"])), &[]);
    check(
        with("/fields/3/type", json!("string")),
        &[("default-does-not-fit", "R.note"), ("union-branch-removed", "R.note (null)")],
    );
    check(
        with("/fields/3/type", json!(["null", "int"])),
        &[("union-branch-removed", "R.note (string)")],
    );
    check(with("/fields/2/type", json!(["null", "int"])), &[("type-changed", "R.sum")]);
}

#[test]
fn a_symbol_may_not_join_or_leave_an_enum_without_a_default() {
    check(with("/fields/4/type/symbols", json!(["A"])), &[("enum-symbol-removed", "R.kind (B)")]);
    check(
        with("/fields/4/type/symbols", json!(["A", "B", "C"])),
        &[("enum-symbol-added", "R.kind (C)")],
    );
}

#[test]
fn a_record_may_not_be_renamed() {
    check(with("/name", json!("S")), &[("record-renamed", "S")]);
    check(with("/namespace", json!("m")), &[("record-renamed", "R")]);
    let mut nested = with("/fields/7/type/items/name", json!("M"));
    nested["fields"][8]["type"] = json!(["null", "M"]);
    check(nested, &[("record-renamed", "R.lines[]"), ("union-branch-removed", "R.first (L)")]);
}
