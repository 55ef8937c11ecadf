//! The compatibility rules of Avro, each with its name and the field that breaks it. Reads no
//! files: see `compatibility`.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

/// Why a schema may not follow another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    pub(crate) field: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} is broken by {}", self.rule, self.field)
    }
}

/// What breaks when `new` follows `old`. Backward (`new` reads what `old` wrote) is checked for
/// everything; forward (`old` reads what `new` writes) for the fields that come and go.
pub(crate) fn broken(old: &Value, new: &Value) -> Vec<Broken> {
    let mut check =
        Check { old_names: names_of(old), new_names: names_of(new), found: vec![], depth: 0 };
    let root = text(new, "name");
    if full_name(old) != full_name(new) {
        check.note("record-renamed", root);
    } else {
        check.types(old, new, root);
    }
    check.found
}

struct Check<'a> {
    old_names: HashMap<&'a str, &'a Value>,
    new_names: HashMap<&'a str, &'a Value>,
    found: Vec<Broken>,
    depth: usize,
}

/// A record may hold itself; what lies deeper was compared already.
const DEPTH_MAX: usize = 16;

impl<'a> Check<'a> {
    fn note(&mut self, rule: &'static str, field: &str) {
        let broken = Broken { rule, field: field.to_owned() };
        if !self.found.contains(&broken) {
            self.found.push(broken);
        }
    }

    fn types(&mut self, old: &'a Value, new: &'a Value, at: &str) {
        if self.depth > DEPTH_MAX {
            return;
        }
        self.depth += 1;
        let (old, new) = (resolve(old, &self.old_names), resolve(new, &self.new_names));
        match (old.as_array(), new.as_array()) {
            (Some(branches), _) => self.union(branches, new, at),
            (None, Some(branches)) if !branches.iter().any(|new| self.can_read(old, new)) => {
                self.note("type-changed", at);
            }
            (None, Some(_)) => {}
            (None, None) => self.plain(old, new, at),
        }
        self.depth -= 1;
    }

    /// Every branch that was written must find one that reads it.
    fn union(&mut self, branches: &'a [Value], new: &'a Value, at: &str) {
        for old in branches {
            let readers = new.as_array().map_or(std::slice::from_ref(new), Vec::as_slice);
            let same = readers.iter().find(|new| self.is_same_kind(old, new));
            match same {
                Some(new) => self.types(old, new, at),
                None if readers.iter().any(|new| self.can_read(old, new)) => {}
                None => self.note("union-branch-removed", &format!("{at} ({})", kind(old))),
            }
        }
    }

    fn is_same_kind(&self, old: &'a Value, new: &'a Value) -> bool {
        let (old, new) = (resolve(old, &self.old_names), resolve(new, &self.new_names));
        kind(old) == kind(new) && full_name(old) == full_name(new)
    }

    fn can_read(&self, old: &'a Value, new: &'a Value) -> bool {
        let mut apart = Check {
            old_names: self.old_names.clone(),
            new_names: self.new_names.clone(),
            found: vec![],
            depth: self.depth,
        };
        apart.types(old, new, "");
        apart.found.is_empty()
    }

    fn plain(&mut self, old: &'a Value, new: &'a Value, at: &str) {
        let differs = |member: &&str| old.get(member) != new.get(member);
        if text(old, "logicalType") != text(new, "logicalType")
            || ["precision", "scale"].iter().any(differs)
        {
            return self.note("logical-type-changed", at);
        }
        match (kind(old), kind(new)) {
            ("record", "record") => self.records(old, new, at),
            ("enum", "enum") => self.enums(old, new, at),
            ("array", "array") => self.types(&old["items"], &new["items"], &format!("{at}[]")),
            ("map", "map") => self.types(&old["values"], &new["values"], &format!("{at}{{}}")),
            ("fixed", "fixed") if old["size"] != new["size"] => self.note("size-changed", at),
            (was, is) if was == is || widens(was, is) => {}
            (was, is) if widens(is, was) => self.note("type-narrowed", at),
            _ => self.note("type-changed", at),
        }
    }

    fn records(&mut self, old: &'a Value, new: &'a Value, at: &str) {
        if full_name(old) != full_name(new) && !aliases(new).any(|alias| alias == full_name(old)) {
            return self.note("record-renamed", at);
        }
        for field in fields(new) {
            let path = format!("{at}.{}", text(field, "name"));
            self.default_of(field, &path);
            match before(field, old) {
                Some(was) => self.types(&was["type"], &field["type"], &path),
                None => self.added(field, old, new, &path),
            }
        }
        for field in fields(old) {
            let is_kept = fields(new).any(|new| before(new, old) == Some(field));
            if !is_kept && field.get("default").is_none() {
                let path = format!("{at}.{}", text(field, "name"));
                self.note("field-removed-without-default", &path);
            }
        }
    }

    fn added(&mut self, field: &'a Value, old: &'a Value, new: &'a Value, path: &str) {
        if field.get("default").is_some() {
            return;
        }
        let is_gone = |was: &&Value| !fields(new).any(|new| before(new, old) == Some(*was));
        let mut gone = fields(old).filter(is_gone);
        match gone.find(|was| was["type"] == field["type"]) {
            Some(was) => {
                let path = format!("{path} (was {})", text(was, "name"));
                self.note("field-renamed-without-alias", &path);
            }
            None => self.note("field-added-without-default", path),
        }
    }

    /// A default of a union is of its first branch.
    fn default_of(&mut self, field: &'a Value, path: &str) {
        let Some(default) = field.get("default") else { return };
        let of = resolve(&field["type"], &self.new_names);
        let of = of.as_array().and_then(|branches| branches.first()).unwrap_or(of);
        let fits = match kind(resolve(of, &self.new_names)) {
            "null" => default.is_null(),
            "boolean" => default.is_boolean(),
            "int" => default.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            "long" => default.is_i64(),
            "float" | "double" => default.is_number(),
            "array" => default.is_array(),
            "map" | "record" => default.is_object(),
            _ => default.is_string(),
        };
        if !fits {
            self.note("default-does-not-fit", path);
        }
    }

    fn enums(&mut self, old: &Value, new: &Value, at: &str) {
        let symbols = |of: &Value| of["symbols"].as_array().cloned().unwrap_or_default();
        let (was, is) = (symbols(old), symbols(new));
        for gone in was.iter().filter(|symbol| !is.contains(symbol)) {
            if new.get("default").is_none() {
                self.note("enum-symbol-removed", &format!("{at} ({})", name(gone)));
            }
        }
        for fresh in is.iter().filter(|symbol| !was.contains(symbol)) {
            if old.get("default").is_none() {
                self.note("enum-symbol-added", &format!("{at} ({})", name(fresh)));
            }
        }
    }
}

/// The field of the old record that a new one reads: by its name, else by its aliases.
fn before<'a>(field: &Value, old: &'a Value) -> Option<&'a Value> {
    let called = |wanted: &str| fields(old).find(|field| text(field, "name") == wanted);
    called(text(field, "name")).or_else(|| aliases(field).find_map(|alias| called(&alias)))
}

fn fields(record: &Value) -> impl Iterator<Item = &Value> {
    record["fields"].as_array().into_iter().flatten()
}

fn aliases(of: &Value) -> impl Iterator<Item = String> {
    of["aliases"].as_array().into_iter().flatten().map(|alias| name(alias).to_owned())
}

fn name(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    name(&of[key])
}

/// With the namespace where the schema gives one: ours do so once, at the top.
fn full_name(of: &Value) -> String {
    match text(of, "namespace") {
        "" => text(of, "name").to_owned(),
        namespace => format!("{namespace}.{}", text(of, "name")),
    }
}

fn kind(of: &Value) -> &str {
    of.as_str().unwrap_or_else(|| if of.is_array() { "union" } else { text(of, "type") })
}

/// The numbers and texts that Avro reads as a wider one.
fn widens(old: &str, new: &str) -> bool {
    matches!(
        (old, new),
        ("int", "long" | "float" | "double")
            | ("long", "float" | "double")
            | ("float", "double")
            | ("string", "bytes")
            | ("bytes", "string")
    )
}

/// A type that was defined before may be named; `{"type": "string"}` is `"string"`.
fn resolve<'a>(of: &'a Value, names: &HashMap<&'a str, &'a Value>) -> &'a Value {
    let inner = &of["type"];
    match of {
        Value::String(name) => names.get(name.as_str()).copied().unwrap_or(of),
        Value::Object(_) if inner.is_object() || inner.is_array() => resolve(inner, names),
        _ => of,
    }
}

fn names_of(schema: &Value) -> HashMap<&str, &Value> {
    let mut names = HashMap::new();
    let mut left = vec![schema];
    while let Some(value) = left.pop() {
        if matches!(text(value, "type"), "record" | "enum" | "fixed") {
            names.insert(text(value, "name"), value);
        }
        match value {
            Value::Array(all) => left.extend(all),
            Value::Object(all) => left.extend(all.values()),
            _ => {}
        }
    }
    names
}
