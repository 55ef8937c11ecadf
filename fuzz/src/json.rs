//! Damage that leaves a text JSON: what is behind the parser is reached. Knows no schema.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// An entry is repeated as often at the most: more than any list of ours may hold.
const ENTRIES_MAX: usize = 600;

/// Something that is done to one of the values of a text.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Remove(Index),
    Replace(Index, Value),
    Repeat(Index, usize),
    Rename(Index, String),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        place().prop_map(Damage::Remove),
        (place(), value()).prop_map(|(at, value)| Damage::Replace(at, value)),
        (place(), 2..=ENTRIES_MAX).prop_map(|(at, times)| Damage::Repeat(at, times)),
        (place(), text()).prop_map(|(at, name)| Damage::Rename(at, name)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let numbers = [json!(0), json!(-1), json!(0.5), json!(1e300), json!(i64::MAX), json!(u64::MAX)];
    let others = [Value::Null, json!(true), json!([]), json!({}), json!([null]), json!({"": {}})];
    prop_oneof![select(numbers.to_vec()), select(others.to_vec()), text().prop_map(Value::String)]
}

fn text() -> impl Strategy<Value = String> {
    let odd = ["", " ", "\0", "~/", "a@", "\u{1f95b}\u{202e}", "\u{fffd}"].map(str::to_owned);
    prop_oneof![select(odd.to_vec()), ".{0,400}", "[!-~]{1,130}"]
}

impl Damage {
    /// A text that is no JSON stays as it is.
    pub(crate) fn done_to(&self, input: Vec<u8>) -> Vec<u8> {
        let Ok(mut whole) = serde_json::from_slice(&input) else { return input };
        let mut places = Vec::new();
        list(&whole, String::new(), &mut places);
        let (Self::Remove(at) | Self::Replace(at, _) | Self::Repeat(at, _) | Self::Rename(at, _)) =
            self;
        self.damage(&mut whole, at.get::<String>(&places));
        whole.to_string().into_bytes()
    }

    fn damage(&self, whole: &mut Value, place: &str) {
        if let Self::Replace(_, value) = self {
            whole.pointer_mut(place).into_iter().for_each(|old| *old = value.clone());
        }
        let Some((parent, name)) = place.rsplit_once('/') else { return };
        match (whole.pointer_mut(parent), self) {
            (Some(Value::Object(members)), Self::Remove(_)) => drop(members.remove(name)),
            (Some(Value::Array(entries)), Self::Remove(_)) => drop(entries.pop()),
            (Some(Value::Object(members)), Self::Rename(_, new)) => {
                if let Some(value) = members.remove(name) {
                    members.insert(new.clone(), value);
                }
            }
            (Some(Value::Array(entries)), Self::Repeat(_, times)) => {
                let last = entries.last().cloned().unwrap_or_default();
                entries.resize(*times, last);
            }
            _ => {}
        }
    }
}

/// The JSON pointers of a value and of all within it.
fn list(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .for_each(|(index, entry)| list(entry, format!("{place}/{index}"), places)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            list(member, format!("{place}/{name}"), places);
        }),
        _ => {}
    }
    places.push(place);
}
