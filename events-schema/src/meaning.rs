//! What the bytes of a schema mean beyond their types: Avro's logical types, which no fingerprint
//! and no registry compares. Decides nothing about compatibility: types are others' to compare.

use std::collections::BTreeMap;

use serde_json::Value;

/// Schemas within schemas are followed so deep: ours have four levels.
const DEPTH_MAX: usize = 32;

/// The places of a schema, such as `lines[].sku`, with what is meant there: a logical type with its
/// members, or nothing.
type Meanings = BTreeMap<String, Vec<String>>;

/// Where two schemas mean different things by the same name, in words. A place that only one of them
/// has means nothing to the other.
pub fn differences(ours: &str, theirs: &str) -> Vec<String> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let ours = meanings(&parsed(ours), None);
    let theirs = meanings(&parsed(theirs), Some(&ours));
    let both = ours.iter().filter_map(|(place, ours)| Some((place, ours, theirs.get(place)?)));
    let differing = both.filter(|(_, ours, theirs)| ours != theirs);
    let say = |(place, ours, theirs): (&String, &Vec<String>, &Vec<String>)| {
        format!("{place} is {} there and {} here", words(theirs), words(ours))
    };
    differing.map(say).collect()
}

fn words(meant: &[String]) -> String {
    if meant.is_empty() { "plain".to_owned() } else { meant.join(" or ") }
}

/// Only at these places, if any are given: others' schemas may be made to have far too many.
fn meanings(schema: &Value, at: Option<&Meanings>) -> Meanings {
    let mut names = BTreeMap::new();
    note_names(schema, 0, &mut names);
    let mut found = Meanings::new();
    Walk { names, at, found: &mut found }.walk(schema, String::new(), 0);
    found.values_mut().for_each(|meant| meant.sort());
    found
}

/// Every named type by its last name: a later place may only name it.
fn note_names<'a>(schema: &'a Value, depth: usize, names: &mut BTreeMap<&'a str, &'a Value>) {
    let parts: Vec<&Value> = match schema {
        Value::Array(branches) => branches.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => return,
    };
    if let (Some(name), Some(Value::String(_))) = (schema["name"].as_str(), schema.get("type")) {
        let is_type = matches!(schema["type"].as_str(), Some("record" | "enum" | "fixed"));
        if is_type {
            names.insert(last(name), schema);
        }
    }
    if depth < DEPTH_MAX {
        parts.into_iter().for_each(|part| note_names(part, depth + 1, names));
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

struct Walk<'a, 'b> {
    names: BTreeMap<&'a str, &'a Value>,
    at: Option<&'b Meanings>,
    found: &'b mut Meanings,
}

impl<'a, 'b> Walk<'a, 'b> {
    fn walk(&mut self, schema: &'a Value, place: String, depth: usize) {
        if depth > DEPTH_MAX || !self.leads_somewhere(&place) {
            return;
        }
        match schema {
            Value::Array(branches) => {
                branches.iter().for_each(|branch| self.walk(branch, place.clone(), depth + 1));
            }
            Value::String(name) => match self.names.get(last(name)) {
                Some(named) => self.walk(named, place, depth + 1),
                None if name == "null" => {}
                None => drop(self.found.entry(place).or_default()),
            },
            Value::Object(_) => self.walk_object(schema, place, depth),
            _ => {}
        }
    }

    fn leads_somewhere(&self, place: &str) -> bool {
        let next = |at: &'b Meanings| at.range(place.to_owned()..).next();
        self.at.is_none_or(|at| next(at).is_some_and(|(known, _)| known.starts_with(place)))
    }

    fn walk_object(&mut self, schema: &'a Value, place: String, depth: usize) {
        match &schema["type"] {
            Value::String(kind) => match kind.as_str() {
                "record" | "error" => {
                    for field in schema["fields"].as_array().into_iter().flatten() {
                        let name = field["name"].as_str().unwrap_or_default();
                        let dot = if place.is_empty() { "" } else { "." };
                        self.walk(&field["type"], format!("{place}{dot}{name}"), depth + 1);
                    }
                }
                "array" => self.walk(&schema["items"], format!("{place}[]"), depth + 1),
                "map" => self.walk(&schema["values"], format!("{place}{{}}"), depth + 1),
                name if self.names.contains_key(last(name)) => {
                    self.walk(&schema["type"], place, depth + 1);
                }
                _ => {
                    let meant = self.found.entry(place).or_default();
                    meant.extend(meaning(schema));
                }
            },
            // A type within a type: {"type": {"type": "long", …}}.
            inner => self.walk(inner, place, depth + 1),
        }
    }
}

/// The logical type with what belongs to it: a decimal of another scale is another number.
fn meaning(schema: &Value) -> Option<String> {
    let name = schema["logicalType"].as_str()?;
    let member = |key: &str| schema.get(key).map(|value| format!(" {key} {value}"));
    let members = ["precision", "scale", "size"].into_iter().filter_map(member);
    Some(members.fold(name.to_owned(), |text, member| text + &member))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::EventType;

    fn found(ours: &Value, theirs: &Value) -> Vec<String> {
        let record = |of: &Value| {
            json!({"type": "record", "name": "R", "fields": [{"name": "x", "type": of}]})
                .to_string()
        };
        differences(&record(ours), &record(theirs))
    }

    fn logical(kind: &str, name: &str) -> Value {
        json!({"type": kind, "logicalType": name})
    }

    #[test]
    fn every_other_logical_type_is_another_meaning_also_where_one_has_none() {
        let micros = logical("long", "timestamp-micros");
        for (theirs, said) in [
            (logical("long", "timestamp-millis"), "timestamp-millis"),
            (logical("long", "timestamp-nanos"), "timestamp-nanos"),
            (logical("long", "local-timestamp-micros"), "local-timestamp-micros"),
            (logical("int", "date"), "date"),
            (json!({"type": logical("long", "time-micros")}), "time-micros"),
            (json!("long"), "plain"),
            (json!("int"), "plain"),
            (json!(["null", "long"]), "plain"),
        ] {
            let said = format!("x is {said} there and timestamp-micros here");
            assert_eq!(found(&micros, &theirs), [said], "{theirs}");
        }
        assert_eq!(found(&json!("long"), &micros).len(), 1);
        assert_eq!(found(&json!("string"), &logical("string", "uuid")).len(), 1);
    }

    #[test]
    fn it_is_found_in_unions_arrays_maps_and_records_also_those_that_are_only_named() {
        let of = |micros: &Value| {
            [
                json!(["null", micros]),
                json!({"type": "array", "items": micros}),
                json!({"type": "map", "values": micros}),
                json!([{"type": "record", "name": "n.In", "fields": [{"name": "y", "type": micros}]}]),
                json!({"type": "record", "name": "Both", "fields": [
                    {"name": "a", "type": {"type": "record", "name": "In", "fields": [
                        {"name": "y", "type": micros}]}},
                    {"name": "b", "type": ["null", "In"]}]}),
            ]
        };
        let ours = of(&logical("long", "timestamp-micros"));
        let theirs = of(&logical("long", "timestamp-millis"));
        let places = ["x", "x[]", "x{}", "x.y", "x.a.y"];
        for ((ours, theirs), place) in ours.iter().zip(&theirs).zip(places) {
            let found = found(ours, theirs);
            assert!(found[0].starts_with(&format!("{place} is ")), "{found:?}");
        }
        assert_eq!(found(&ours[4], &theirs[4]).len(), 2, "where it is named, too");
    }

    #[test]
    fn a_decimal_of_another_scale_is_another_number() {
        let decimal =
            |scale: u8| json!({"type": "bytes", "logicalType": "decimal", "scale": scale});
        assert_eq!(found(&decimal(2), &decimal(2)), Vec::<String>::new());
        assert_eq!(found(&decimal(2), &decimal(3)).len(), 1);
    }

    #[test]
    fn words_defaults_order_wider_numbers_and_what_only_one_has_mean_nothing() {
        let ours = json!({"type": "record", "name": "R", "fields": [
            {"name": "a", "type": "long", "doc": "A word."},
            {"name": "b", "type": ["null", logical("string", "uuid")], "default": null},
            {"name": "only_here", "type": logical("long", "timestamp-micros"), "default": 0}]});
        let theirs = json!({"type": "record", "name": "R", "aliases": ["S"], "fields": [
            {"name": "b", "type": logical("string", "uuid")},
            {"name": "a", "type": {"type": "int"}},
            {"name": "only_there", "type": logical("long", "timestamp-millis")}]});
        assert_eq!(differences(&ours.to_string(), &theirs.to_string()), Vec::<String>::new());
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let tree = json!({"type": "record", "name": "T", "fields": [
            {"name": "left", "type": ["null", "T"]},
            {"name": "at", "type": logical("long", "timestamp-micros")}]});
        assert_eq!(differences(&tree.to_string(), &tree.to_string()), Vec::<String>::new());
    }

    #[test]
    fn a_schema_that_unfolds_into_too_many_places_is_looked_at_where_ours_has_one() {
        let mut inner = json!("long");
        for depth in 0..30 {
            let name = format!("N{depth}");
            inner = json!({"type": "record", "name": name, "fields": [
                {"name": "l", "type": inner}, {"name": "r", "type": format!("N{}", depth - 1)}]});
        }
        let ours = json!({"type": "record", "name": "R", "fields": [
            {"name": "l", "type": logical("long", "timestamp-micros")}]});
        assert_eq!(differences(&ours.to_string(), &inner.to_string()), Vec::<String>::new());
    }

    #[test]
    fn every_schema_of_ours_means_what_it_means() {
        for event_type in EventType::ALL {
            let schema = event_type.schema();
            assert_eq!(differences(schema, schema), Vec::<String>::new());
            let millis = schema.replace("timestamp-micros", "timestamp-millis");
            assert_eq!(differences(schema, &millis).len(), 1, "{event_type:?}");
        }
    }
}
